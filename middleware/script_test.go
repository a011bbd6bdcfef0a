package middleware_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
	"github.com/larderhq/larder/internal/script"
	larder "github.com/larderhq/larder/middleware"
	"github.com/larderhq/larder/middleware/storetest"
)

const (
	scripts = "testdata/script/*.txt"
	// realWait is how much a script may wait to be played on the wall clock too. One that names dates of the
	// bubble's clock waits for longer.
	realWait = 3 * time.Second
)

// scriptOptions turns one option of a script into what it configures.
var scriptOptions = map[string]func(*larder.Options, string) larder.Rule{
	"cookies":        func(_ *larder.Options, v string) larder.Rule { return larder.Cookies(strings.Split(v, ",")...) },
	"headers":        func(_ *larder.Options, v string) larder.Rule { return larder.Headers(strings.Split(v, ",")...) },
	"heuristic":      func(*larder.Options, string) larder.Rule { return larder.Heuristic() },
	"negative":       negativeOption,
	"public":         func(*larder.Options, string) larder.Rule { return larder.Public() },
	"query":          func(_ *larder.Options, v string) larder.Rule { return larder.Query(strings.Split(v, ",")...) },
	"stale":          func(_ *larder.Options, v string) larder.Rule { return larder.Stale(duration(v)) },
	"stale-if-error": func(_ *larder.Options, v string) larder.Rule { return larder.StaleIfError(duration(v)) },
	"store-cookies":  func(*larder.Options, string) larder.Rule { return larder.StoreCookies() },
	"fill-timeout":   setting(func(o *larder.Options, v string) { o.FillTimeout = duration(v) }),
	"ignore-client":  setting(func(o *larder.Options, _ string) { o.IgnoreClient = true }),
	"max-body":       setting(func(o *larder.Options, v string) { o.MaxBodyBytes, _ = strconv.ParseInt(v, 10, 64) }),
	"status-key":     setting(func(o *larder.Options, _ string) { o.StatusKey = true }),
	"targets":        setting(func(o *larder.Options, v string) { o.Targets = strings.Split(v, ",") }),
}

// setting is an option of the cache, not of the route.
func setting(set func(*larder.Options, string)) func(*larder.Options, string) larder.Rule {
	return func(o *larder.Options, v string) larder.Rule {
		set(o, v)
		return nil
	}
}

// negativeOption reads "404:10s".
func negativeOption(_ *larder.Options, v string) larder.Rule {
	status, ttl, _ := strings.Cut(v, ":")
	n, err := strconv.Atoi(status)
	if err != nil {
		panic(err)
	}
	return larder.Negative(duration(ttl), n)
}

func duration(v string) time.Duration {
	d, err := time.ParseDuration(v)
	if err != nil {
		panic(err)
	}
	return d
}

// scripted returns the handler that a script talks to: a cache with the script's options on top of o, FromHeaders, or For with
// the option for=TTL.
func scripted(t testing.TB, o larder.Options, origin http.Handler, options map[string]string) http.Handler {
	t.Helper()
	var rules []larder.Rule
	for name, value := range options {
		if name == "for" {
			continue
		}
		option := scriptOptions[name]
		if option == nil {
			t.Fatalf("unknown option %s=%s", name, value)
		}
		if rule := option(&o, value); rule != nil {
			rules = append(rules, rule)
		}
	}
	o.Logger = slog.New(slog.DiscardHandler)
	cache, err := larder.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cache.Close(); err != nil {
			t.Error(err)
		}
	})
	if o.Redis != nil {
		awaitFirstHit(t, cache)
	}
	if ttl := options["for"]; ttl != "" {
		return cache.For(duration(ttl), rules...)(origin)
	}
	return cache.FromHeaders(rules...)(origin)
}

// awaitFirstHit returns when the cache has read the invalidation log: what is stored before is not used after.
func awaitFirstHit(t testing.TB, cache *larder.Cache) {
	t.Helper()
	h := cache.For(time.Minute)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for range 1000 {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/first-hit", nil))
		if rec.Header().Get("X-Cache") == "Hit" {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("nothing is ever stored")
}

// Every script must read the same over every store, and for a handler in the process as for an origin behind a proxy.

func TestScriptsInMemory(t *testing.T) {
	script.RunAll(t, scripts, func(t testing.TB, origin http.Handler, options map[string]string) http.Handler {
		return scripted(t, larder.Options{}, origin, options)
	})
}

// TestScriptsInByteStore has no memory tier: every hit is decoded from the stored form.
func TestScriptsInByteStore(t *testing.T) {
	script.RunAll(t, scripts, func(t testing.TB, origin http.Handler, options map[string]string) http.Handler {
		return scripted(t, larder.Options{MemoryBytes: -1, Store: new(storetest.Map)}, origin, options)
	})
}

func TestScriptsBehindReverseProxy(t *testing.T) {
	script.RunAll(t, scripts, func(t testing.TB, origin http.Handler, options map[string]string) http.Handler {
		return scripted(t, larder.Options{}, proxied(t, origin), options)
	})
}

// TestScriptsBehindReverseProxyInChunks: without Content-Length the proxy flushes all that it gets. What is flushed is not
// stored with a lifetime of ours.
func TestScriptsBehindReverseProxyInChunks(t *testing.T) {
	script.RunAll(t, scripts, func(t testing.TB, origin http.Handler, options map[string]string) http.Handler {
		if options["for"] == "" {
			origin = inChunks(origin)
		}
		return scripted(t, larder.Options{}, proxied(t, origin), options)
	})
}

// inChunks has the response's header sent before the handler has returned, so that its length is not known.
func inChunks(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(flushing{w}, r)
	})
}

type flushing struct{ http.ResponseWriter }

func (w flushing) WriteHeader(status int) {
	w.ResponseWriter.WriteHeader(status)
	w.ResponseWriter.(http.Flusher).Flush()
}

// TestShortScriptsInRedis plays them side by side, as their waits are real.
func TestShortScriptsInRedis(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	played := 0
	script.RunReal(t, scripts, realWait, func(t testing.TB, origin http.Handler, options map[string]string) http.Handler {
		played++
		prefix := "script" + strconv.Itoa(played)
		t.(*testing.T).Parallel()
		return scripted(t, larder.Options{Redis: client, MemoryBytes: -1, Prefix: prefix, StoreTimeout: time.Minute}, origin, options)
	})
}

// proxied puts a ReverseProxy in front of origin, on a server that is reached through pipes, so that it fits into a bubble.
func proxied(t testing.TB, origin http.Handler) http.Handler {
	pipes := newPipes()
	server := &http.Server{Handler: origin, ReadHeaderTimeout: time.Hour}
	go func() { _ = server.Serve(pipes) }() // it ends with Close, below
	transport := &http.Transport{DialContext: pipes.dial, DisableCompression: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Shutdown(context.Background()) // it waits for handlers that nobody waits for any more
	})
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "origin"})
			r.Out.Host = r.In.Host
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
}

// pipes is a net.Listener whose connections are pairs of net.Pipe.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.done)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }
