package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
)

// start runs the program until the test ends and returns its URL.
func start(t *testing.T, args ...string) (url string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, lines := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, append(args, "-listen", "127.0.0.1:0"), lines)
		_ = lines.Close() // of a pipe
	}()
	address := make(chan string, 1)
	go watch(out, address)
	stopped := sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = stopped() }) // a test that cares stops it itself
	select {
	case a := <-address:
		return "http://" + a, stopped
	case err := <-done:
		t.Fatalf("run: %v", err)
		return "", nil
	}
}

var serving = regexp.MustCompile(`serving address=(\S+)`)

// watch reads the log and tells the address in it.
func watch(log io.Reader, address chan<- string) {
	var all bytes.Buffer
	buf := make([]byte, 4096)
	for found := false; ; {
		n, err := log.Read(buf)
		if err != nil {
			return
		}
		all.Write(buf[:n])
		if m := serving.FindSubmatch(all.Bytes()); m != nil && !found {
			found = true
			address <- string(m[1])
		}
	}
}

// startOrigin serves h.
func startOrigin(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	t.Cleanup(server.Close)
	return server
}

type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request with the fields, given as name and value in turn.
func ask(t *testing.T, method, url string, fields ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Add(fields[i], fields[i+1])
	}
	req.Host = or(req.Header.Get("Host"), req.Host)
	res, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
	if err != nil {
		body = append(body, " and no end"...)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// backends are the flags of every place where responses can be kept.
func backends(t *testing.T) map[string][]string {
	return map[string][]string{
		"memory": nil,
		"redis":  {"-redis", redistest.Start(t).Addr()},
	}
}

// settled asks until the proxy reuses what it stores: with Redis it first has to read the invalidation log.
func settled(t *testing.T, url string) {
	t.Helper()
	for range 1000 {
		if ask(t, http.MethodGet, url+"/settle").header.Get("X-Cache") == "Hit" {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("nothing is ever stored")
}

// catalogue is an origin with a resource for every kind of answer.
func catalogue(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "max-age=60")
	switch r.URL.Path {
	case "/chunked":
		h.Set("Etag", `"v1"`)
		for _, part := range []string{"one ", "two ", "three"} {
			_, _ = io.WriteString(w, part)
			w.(http.Flusher).Flush()
		}
		return
	case "/cookie":
		h.Set("Set-Cookie", "id=1")
	case "/heuristic":
		h.Del("Cache-Control")
		h.Set("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT")
	case "/no-store":
		h.Set("Cache-Control", "no-store")
	case "/vary":
		h.Set("Vary", "Accept-Language")
	case "/moved":
		h.Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusMovedPermanently)
		return
	case "/validated":
		h.Set("Cache-Control", "no-cache")
		h.Set("Etag", `"v1"`)
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	_, _ = io.WriteString(w, r.Method+" "+r.URL.Path+" "+r.Header.Get("Accept-Language"))
}

// exchanges are requests for the catalogue: method, path, and fields.
var exchanges = [][]string{
	{"GET", "/plain"},
	{"GET", "/plain"},
	{"HEAD", "/plain"},
	{"GET", "/plain", "Range", "bytes=0-2"},
	{"GET", "/plain?q=1"},
	{"GET", "/plain", "Cache-Control", "no-cache"},
	{"GET", "/chunked"},
	{"GET", "/chunked"},
	{"GET", "/chunked", "If-None-Match", `"v1"`},
	{"GET", "/chunked", "Range", "bytes=4-6"},
	{"GET", "/chunked?cold", "If-None-Match", `"v1"`},
	{"GET", "/chunked?colder", "Range", "bytes=4-6"},
	{"GET", "/chunked?colder"},
	{"GET", "/cookie"},
	{"GET", "/cookie"},
	{"GET", "/heuristic"},
	{"GET", "/heuristic"},
	{"GET", "/no-store"},
	{"GET", "/no-store"},
	{"GET", "/vary", "Accept-Language", "de"},
	{"GET", "/vary", "Accept-Language", "en"},
	{"GET", "/vary", "Accept-Language", "DE"},
	{"GET", "/moved"},
	{"GET", "/moved"},
	{"GET", "/validated"},
	{"GET", "/validated"},
	{"POST", "/plain"},
	{"GET", "/plain"},
	{"GET", "/only", "Cache-Control", "only-if-cached"},
}

// transcript is what the client sees of the exchanges, without what the clock says.
func transcript(t *testing.T, url string) []string {
	t.Helper()
	var lines []string
	for _, e := range exchanges {
		a := ask(t, e[0], url+e[1], e[2:]...)
		a.header.Del("Date")
		var head bytes.Buffer
		if err := a.header.Write(&head); err != nil {
			t.Fatal(err)
		}
		line := strings.Join(e, " ") + ": " + http.StatusText(a.status) + " " + strings.ReplaceAll(head.String(), "\r\n", "; ") + a.body
		lines = append(lines, age.ReplaceAllString(line, "$1=N"))
	}
	return lines
}

var age = regexp.MustCompile(`(Age: |ttl=)\d+`)

func TestBackendsBehaveIdentically(t *testing.T) {
	origin := startOrigin(t, catalogue)
	for _, flags := range [][]string{nil, {"-store-cookies", "-heuristics", "-stale-if-error", "60s"}} {
		seen := map[string][]string{}
		for name, backend := range backends(t) {
			url, _ := start(t, slices.Concat([]string{"-origin", origin.URL}, backend, flags)...)
			settled(t, url)
			seen[name] = transcript(t, url)
		}
		for i, line := range seen["memory"] {
			if other := seen["redis"][i]; line != other {
				t.Errorf("flags %q:\nmemory %s\nredis  %s", flags, line, other)
			}
		}
	}
}

func TestStoring(t *testing.T) {
	tests := []struct {
		path  string
		flags []string
		hit   bool
	}{
		{"/plain", nil, true},
		{"/chunked", nil, true},
		{"/moved", nil, true},
		{"/no-store", nil, false},
		{"/cookie", nil, false},
		{"/cookie", []string{"-store-cookies"}, true},
		{"/heuristic", nil, false},
		{"/heuristic", []string{"-heuristics"}, true},
	}
	origin := startOrigin(t, catalogue)
	for backend, flags := range backends(t) {
		for _, tt := range tests {
			t.Run(backend+tt.path, func(t *testing.T) {
				url, _ := start(t, slices.Concat([]string{"-origin", origin.URL}, flags, tt.flags)...)
				settled(t, url)
				first := ask(t, http.MethodGet, url+tt.path+"?"+t.Name())
				second := ask(t, http.MethodGet, url+tt.path+"?"+t.Name())
				if hit := second.header.Get("X-Cache") == "Hit"; hit != tt.hit || second.body != first.body {
					t.Errorf("hit %t, want %t; bodies %q and %q", hit, tt.hit, first.body, second.body)
				}
			})
		}
	}
}

func TestOriginSeesTheClientsRequest(t *testing.T) {
	seen := make(chan *http.Request, 1)
	origin := startOrigin(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r })
	url, _ := start(t, "-origin", origin.URL)
	ask(t, http.MethodGet, url+"/a%2Fb?x=%zz;y", "Host", "shop.example", "X-Forwarded-For", "192.0.2.1", "Via", "1.1 other", "Accept", "text/html")
	r := <-seen
	got := map[string]string{"uri": r.RequestURI, "host": r.Host, "agent": r.UserAgent(), "encoding": r.Header.Get("Accept-Encoding")}
	want := map[string]string{"uri": "/a%2Fb?x=%zz;y", "host": "shop.example", "agent": "Go-http-client/1.1", "encoding": ""}
	for name, value := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "shop.example", "X-Forwarded-Proto": "http", "Via": "1.1 other, 1.1 larder", "Accept": "text/html",
	} {
		got[name], want[name] = strings.Join(r.Header.Values(name), ", "), value
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
}

func TestNoContentTypeIsGuessed(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "<html>")
	})
	for name, backend := range backends(t) {
		t.Run(name, func(t *testing.T) {
			url, _ := start(t, append(backend, "-origin", origin.URL)...)
			settled(t, url)
			for range 2 {
				a := ask(t, http.MethodGet, url)
				if got, there := a.header["Content-Type"]; there {
					t.Errorf("%s: Content-Type is %q", a.header.Get("X-Cache"), got)
				}
			}
		})
	}
}

// flaky answers well while well is true, else it closes the connection without a word.
type flaky struct {
	well  atomic.Bool
	asked atomic.Int64
}

func (f *flaky) serve(w http.ResponseWriter, r *http.Request) {
	f.asked.Add(1)
	if !f.well.Load() {
		panic(http.ErrAbortHandler)
	}
	catalogue(w, r)
}

func TestErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		flags  []string
		status int
	}{
		"without stale": {nil, http.StatusBadGateway},
		"stale":         {[]string{"-stale-if-error", "1h"}, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			var f flaky
			f.well.Store(true)
			origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Age", "60")
				f.serve(w, r)
			})
			url, _ := start(t, append(tt.flags, "-origin", origin.URL)...)
			ask(t, http.MethodGet, url+"/plain")
			f.well.Store(false)
			before := f.asked.Load()
			if a := ask(t, http.MethodGet, url+"/plain"); a.status != tt.status {
				t.Errorf("got %d %q, want %d", a.status, a.body, tt.status)
			}
			if n := f.asked.Load() - before; n != 1 {
				t.Errorf("the origin was asked %d times, want once", n)
			}
			if a := ask(t, http.MethodGet, url+"/never"); a.status != http.StatusBadGateway {
				t.Errorf("nothing stored: got %d, want 502", a.status)
			}
			f.well.Store(true)
			if a := ask(t, http.MethodGet, url+"/plain"); a.status != http.StatusOK || a.header.Get("X-Cache") == "Hit" {
				t.Errorf("after recovery: got %d, %s", a.status, a.header.Get("X-Cache"))
			}
		})
	}
}

func TestOriginIsDown(t *testing.T) {
	url, _ := start(t, "-origin", "http://"+unused(t))
	if a := ask(t, http.MethodGet, url); a.status != http.StatusBadGateway {
		t.Errorf("got %d, want 502", a.status)
	}
}

// unused is an address that nobody listens on.
func unused(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // of no connections
	return l.Addr().String()
}

// Whoever is being served when the proxy is told to stop gets the whole answer.
func TestGracefulShutdown(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	origin := startOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-goOn
		_, _ = io.WriteString(w, "all of it")
	})
	url, stop := start(t, "-origin", origin.URL)
	got, stopped := make(chan answer, 1), make(chan error, 1)
	go func() { got <- ask(t, http.MethodGet, url) }()
	<-begun
	go func() { stopped <- stop() }()
	awaitRefusal(t, strings.TrimPrefix(url, "http://"))
	close(goOn)
	if a := <-got; a.body != "all of it" {
		t.Errorf("got %d %q", a.status, a.body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// awaitRefusal returns when nobody listens on the address any more.
func awaitRefusal(t *testing.T, address string) {
	t.Helper()
	for {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			return
		}
		_ = conn.Close() // nothing was said on it
		time.Sleep(time.Millisecond)
	}
}

func TestFlags(t *testing.T) {
	for name, args := range map[string][]string{
		"no origin":          {},
		"origin by path":     {"-origin", "http://127.0.0.1/path"},
		"origin by name":     {"-origin", "localhost"},
		"negative stale":     {"-origin", "http://127.0.0.1", "-stale-if-error", "-1s"},
		"idle of 0":          {"-origin", "http://127.0.0.1", "-idle", "0"},
		"redis":              {"-origin", "http://127.0.0.1", "-redis", "http://127.0.0.1"},
		"argument":           {"-origin", "http://127.0.0.1", "more"},
		"address that is no": {"-origin", "http://127.0.0.1", "-listen", "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(t.Context(), args, io.Discard); err == nil {
				t.Errorf("%q is accepted", args)
			}
		})
	}
}
