package middleware_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	larder "github.com/larderhq/larder/middleware"
)

// These tests read and write the connection itself: net/http's client and server, and ReverseProxy, hide some fields from
// whoever uses them.

// wireServer serves handler on the loopback interface, behind a cache that obeys the response's fields.
func wireServer(t *testing.T, handler http.Handler) net.Addr {
	t.Helper()
	cache, err := larder.New(larder.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(cache.FromHeaders()(handler))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	t.Cleanup(func() {
		server.Close()
		if err := cache.Close(); err != nil {
			t.Error(err)
		}
	})
	return server.Listener.Addr()
}

// onWire sends a request, which it completes, and returns all that comes back until the connection is closed.
func onWire(t *testing.T, addr net.Addr, request string) string {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // it is closed already
	if _, err := io.WriteString(conn, wired(request+"\nHost: example.test\nConnection: close\n\n")); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(answer), "\r\n", "\n")
}

// wired is a message with the line ends of HTTP/1.1.
func wired(message string) string { return strings.ReplaceAll(message, "\n", "\r\n") }

// wireOrigin is an origin that answers each request with the next message, word for word, and closes the connection. asked
// counts the requests.
func wireOrigin(t *testing.T, messages ...string) (proxy http.Handler, asked *atomic.Int64) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() }) // ends serve
	asked = new(atomic.Int64)
	go func() {
		for _, message := range messages {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				asked.Add(1)
				_, _ = io.WriteString(conn, wired(message)) // the proxy sees what it gets
			}
			_ = conn.Close()
		}
	}()
	p := &httputil.ReverseProxy{
		Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: listener.Addr().String()})
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	return p, asked
}

func wantLines(t *testing.T, answer string, lines ...string) {
	t.Helper()
	all := strings.Split(answer, "\n")
	for _, line := range lines {
		if !slices.Contains(all, line) {
			t.Errorf("no line %q in:\n%s", line, answer)
		}
	}
}

func wantNone(t *testing.T, answer string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(answer, part) {
			t.Errorf("%q in:\n%s", part, answer)
		}
	}
}

// RFC 9111 §3.1, RFC 9110 §7.6.1: what belongs to one connection or to a proxy is not stored, nor what Connection names.
func TestHopByHopFieldsAreNotStored(t *testing.T) {
	hops := []string{
		"Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization", "Proxy-Connection", "Te",
		"Upgrade", "X-Named", "X-Other",
	}
	addr := wireServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Connection", "x-named, X-OTHER")
		w.Header().Set("X-Kept", "1")
		for _, name := range hops {
			w.Header().Set(name, "hop")
		}
		_, _ = io.WriteString(w, "hello")
	}))
	onWire(t, addr, "GET / HTTP/1.1")
	hit := onWire(t, addr, "GET / HTTP/1.1")
	wantLines(t, hit, "X-Cache: Hit", "X-Kept: 1", "hello", "Connection: close")
	wantNone(t, hit, ": hop", "x-named")
}

// The same from an origin behind a proxy. Beside "close" the names would be lost: net/http's client then deletes Connection.
func TestNominatedFieldsFromAnOrigin(t *testing.T) {
	proxy, _ := wireOrigin(t, "HTTP/1.1 200 OK\nCache-Control: max-age=60\nConnection: X-Named\nConnection: x-other, keep-alive\n"+
		"X-Named: hop\nX-Other: hop\nKeep-Alive: timeout=5\nProxy-Authenticate: hop\nX-Kept: 1\nContent-Length: 5\n\nhello")
	addr := wireServer(t, proxy)
	onWire(t, addr, "GET / HTTP/1.1")
	hit := onWire(t, addr, "GET / HTTP/1.1")
	wantLines(t, hit, "X-Cache: Hit", "X-Kept: 1", "hello")
	wantNone(t, hit, "hop", "Keep-Alive")
}

// RFC 9110 §7.6.1: ReverseProxy drops what a request's Connection names, so that the origin answers without the field that the
// response is selected by. That answer is not for those who send the field along.
func TestSeveredFieldsPoisonNothing(t *testing.T) {
	const head = "HTTP/1.1 200 OK\nCache-Control: max-age=60\nVary: Accept-Language\nContent-Length: 2\n\n"
	proxy, asked := wireOrigin(t, head+"xx", head+"de")
	addr := wireServer(t, proxy)
	severed := onWire(t, addr, "GET / HTTP/1.1\nAccept-Language: de\nConnection: Accept-Language")
	wantLines(t, severed, "xx", "Cache-Status: larder; fwd=bypass; detail=connection")
	for range 2 {
		wantLines(t, onWire(t, addr, "GET / HTTP/1.1\nAccept-Language: de"), "de")
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("the origin was asked %d times, want twice", n)
	}
}

// RFC 9110 §15.2: interim responses are relayed at once, any number of them, and nothing of them is stored.
func TestInterimResponses(t *testing.T) {
	proxy, asked := wireOrigin(t, "HTTP/1.1 102 Processing\n\nHTTP/1.1 103 Early Hints\nLink: </a.css>\n\n"+
		"HTTP/1.1 103 Early Hints\nLink: </b.css>\nX-Interim: 1\n\n"+
		"HTTP/1.1 200 OK\nCache-Control: max-age=60\nContent-Length: 5\n\nhello")
	addr := wireServer(t, proxy)
	fill := onWire(t, addr, "GET / HTTP/1.1")
	wantLines(t, fill, "HTTP/1.1 102 Processing", "HTTP/1.1 103 Early Hints", "Link: </a.css>", "Link: </b.css>", "HTTP/1.1 200 OK", "hello")
	_, final, _ := strings.Cut(fill, "HTTP/1.1 200 OK")
	wantNone(t, final, "Link", "X-Interim")

	hit := onWire(t, addr, "GET / HTTP/1.1")
	wantLines(t, hit, "HTTP/1.1 200 OK", "X-Cache: Hit", "hello")
	wantNone(t, hit, "HTTP/1.1 10", "Link", "X-Interim")
	if n := asked.Load(); n != 1 {
		t.Errorf("the origin was asked %d times, want once", n)
	}
}

// An interim response alone is no answer that could be stored.
func TestInterimResponseAlone(t *testing.T) {
	proxy, asked := wireOrigin(t, "HTTP/1.1 103 Early Hints\nCache-Control: max-age=60\n\n",
		"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello")
	addr := wireServer(t, proxy)
	wantLines(t, onWire(t, addr, "GET / HTTP/1.1"), "HTTP/1.1 502 Bad Gateway")
	wantLines(t, onWire(t, addr, "GET / HTTP/1.1"), "HTTP/1.1 200 OK", "hello")
	if n := asked.Load(); n != 2 {
		t.Errorf("the origin was asked %d times, want twice", n)
	}
}

// RFC 9111 §3.1: trailers are relayed and, as fields that cannot be kept apart, keep the response out of the store.
func TestTrailers(t *testing.T) {
	const message = "HTTP/1.1 200 OK\nCache-Control: max-age=60\nTransfer-Encoding: chunked\nTrailer: X-Sum\n\n5\nhello\n0\nX-Sum: 42\n\n"
	proxy, asked := wireOrigin(t, message, message)
	addr := wireServer(t, proxy)
	for range 2 {
		answer := onWire(t, addr, "GET / HTTP/1.1")
		head, content, _ := strings.Cut(answer, "\n\n")
		wantLines(t, head, "Trailer: X-Sum", "Cache-Status: larder; fwd=uri-miss; detail=trailer")
		wantNone(t, head, "X-Sum: 42")
		wantLines(t, content, "hello", "X-Sum: 42")
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("the origin was asked %d times, want twice", n)
	}
}

// Trailers that were not announced come when the response may be held back already.
func TestUnannouncedTrailers(t *testing.T) {
	const message = "HTTP/1.1 200 OK\nCache-Control: max-age=60\nTransfer-Encoding: chunked\n\n5\nhello\n0\nX-Sum: 42\n\n"
	proxy, asked := wireOrigin(t, message, message)
	addr := wireServer(t, proxy)
	for range 2 {
		wantLines(t, onWire(t, addr, "GET / HTTP/1.1"), "hello", "X-Sum: 42")
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("the origin was asked %d times, want twice", n)
	}
}

// RFC 9111 §3.3: an incomplete response is not stored; RFC 9112 §8 says when one is.
func TestIncompleteResponses(t *testing.T) {
	const head = "HTTP/1.1 200 OK\nCache-Control: max-age=60\n"
	tests := map[string]struct {
		message  string
		complete bool
	}{
		"shorter than Content-Length": {head + "Content-Length: 10\n\nhello", false},
		"without the last chunk":      {head + "Transfer-Encoding: chunked\n\n5\nhello\n", false},
		"inside a chunk":              {head + "Transfer-Encoding: chunked\n\n9\nhello", false},
		"header section cut off":      {head + "Content-Len", false},
		"chunked":                     {head + "Transfer-Encoding: chunked\n\n5\nhello\n0\n\n", true},
		"until the connection closes": {head + "Connection: close\n\nhello", true},
		"HTTP/1.0":                    {"HTTP/1.0 200 OK\nCache-Control: max-age=60\n\nhello", true},
		"no content":                  {head + "Content-Length: 0\n\n", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			proxy, asked := wireOrigin(t, tt.message, "HTTP/1.1 200 OK\nContent-Length: 6\n\nsecond")
			addr := wireServer(t, proxy)
			onWire(t, addr, "GET / HTTP/1.1")
			second := onWire(t, addr, "GET / HTTP/1.1")
			if hit := strings.Contains(second, "X-Cache: Hit"); hit != tt.complete || (asked.Load() == 1) != tt.complete {
				t.Errorf("hit %t after %d requests to the origin, want %t:\n%s", hit, asked.Load(), tt.complete, second)
			}
		})
	}
}

// RFC 5861 §4: "a network segment, or DNS failure" is an error as a 5xx is.
func TestStaleWhenTheOriginClosesTheConnection(t *testing.T) {
	const stored = "HTTP/1.1 200 OK\nAge: 10\nCache-Control: max-age=10, stale-if-error=600\nContent-Length: 5\n\nhello"
	for name, message := range map[string]string{
		"at once":                   "",
		"inside the header section": "HTTP/1.1 200 OK\nCache-",
		"inside the content":        "HTTP/1.1 200 OK\nCache-Control: max-age=60\nContent-Length: 10\n\nhell",
	} {
		t.Run(name, func(t *testing.T) {
			proxy, asked := wireOrigin(t, stored, message, "HTTP/1.1 200 OK\nContent-Length: 3\n\nnew")
			addr := wireServer(t, proxy)
			onWire(t, addr, "GET / HTTP/1.1")
			wantLines(t, onWire(t, addr, "GET / HTTP/1.1"), "HTTP/1.1 200 OK", "hello")
			wantLines(t, onWire(t, addr, "GET / HTTP/1.1"), "HTTP/1.1 200 OK", "new")
			if n := asked.Load(); n != 3 {
				t.Errorf("the origin was asked %d times, want 3", n)
			}
		})
	}
}

// RFC 9111 §5.2.2.2: without permission a lost connection is an error.
func TestNoStaleWhenTheOriginClosesTheConnection(t *testing.T) {
	proxy, _ := wireOrigin(t, "HTTP/1.1 200 OK\nAge: 10\nCache-Control: max-age=10, must-revalidate, stale-if-error=600\nETag: \"v1\"\nContent-Length: 5\n\nhello", "")
	addr := wireServer(t, proxy)
	onWire(t, addr, "GET / HTTP/1.1")
	wantLines(t, onWire(t, addr, "GET / HTTP/1.1"), "HTTP/1.1 502 Bad Gateway")
}

// Upgrades pass by (RFC 9110 §7.8), and what follows is not HTTP.
func TestUpgradePassesBy(t *testing.T) {
	proxy, _ := wireOrigin(t, "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: echo\n\nnot HTTP")
	addr := wireServer(t, proxy)
	conn, err := new(net.Dialer).DialContext(t.Context(), addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // it is closed already
	_, _ = io.WriteString(conn, wired("GET / HTTP/1.1\nHost: example.test\nConnection: Upgrade\nUpgrade: echo\n\n"))
	answer, _ := io.ReadAll(conn) // until the origin closes it
	wantLines(t, strings.ReplaceAll(string(answer), "\r\n", "\n"), "HTTP/1.1 101 Switching Protocols", "Upgrade: echo", "not HTTP")
}

// A CONNECT is the handler's, whatever the method's safety.
func TestConnectPassesBy(t *testing.T) {
	addr := wireServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, r.Method)
	}))
	for range 2 {
		answer := onWire(t, addr, "CONNECT example.test:443 HTTP/1.1")
		wantLines(t, answer, "HTTP/1.1 200 OK", "CONNECT", "Cache-Status: larder; fwd=method")
	}
}
