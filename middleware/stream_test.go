package middleware

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestStreamedBytesAreNotHeldBack: what is not stored reaches the client while the handler still runs.
func TestStreamedBytesAreNotHeldBack(t *testing.T) {
	for name, begin := range map[string]func(http.ResponseWriter){
		"flush":              func(w http.ResponseWriter) { writeTimes(w, 1); w.(http.Flusher).Flush() },
		"over the limit":     func(w http.ResponseWriter) { writeTimes(w, 200) },
		"declared too large": func(w http.ResponseWriter) { w.Header().Set("Content-Length", "12804"); writeTimes(w, 200) },
		"set-cookie":         func(w http.ResponseWriter) { w.Header().Set("Set-Cookie", "a=b"); writeTimes(w, 200) },
		"status":             func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound); writeTimes(w, 200) },
	} {
		t.Run(name, func(t *testing.T) {
			cache := newTestCache(t, Options{MaxBodyBytes: 5000})
			read := make(chan struct{})
			o := &origin{answer: func(w http.ResponseWriter, _ *http.Request) {
				begin(w)
				<-read
				_, _ = io.WriteString(w, "last")
			}}
			res := dial(t, serve(t, cache.For(time.Minute)(o))).get("/").head()
			if _, err := io.ReadFull(res.Body, make([]byte, 64)); err != nil {
				t.Fatal(err)
			}
			close(read)
			rest, err := io.ReadAll(res.Body)
			if err != nil || !strings.HasSuffix(string(rest), "last") {
				t.Errorf("got %q, %v", rest, err)
			}
		})
	}
}

// chunked is an origin behind a ReverseProxy, which flushes at once whatever has no declared length.
func chunked(t *testing.T, answer http.HandlerFunc) http.Handler {
	t.Helper()
	backend := serve(t, answer)
	target, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return &httputil.ReverseProxy{
		Transport:     transport,
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
}

// TestStreamedAndStored: under FromHeaders a response that is flushed goes to its client as it is written, and is stored when it is complete.
func TestStreamedAndStored(t *testing.T) {
	cache := newTestCache(t, Options{})
	read := make(chan struct{})
	o := &origin{answer: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		flushed(w, nil)
		w.(http.Flusher).Flush()
		<-read
		_, _ = io.WriteString(w, "!")
	}}
	server := serve(t, cache.FromHeaders()(chunked(t, o.ServeHTTP)))
	res := dial(t, server).get("/").head()
	if _, err := io.ReadFull(res.Body, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	close(read)
	if rest, err := io.ReadAll(res.Body); string(rest) != "!" || err != nil {
		t.Fatalf("got %q, %v", rest, err)
	}
	again := exchangeText(dial(t, server).get("/"))
	if again.body != "hello!" || again.header.Get("X-Cache") != "Hit" || again.header.Get("Content-Length") != "6" {
		t.Errorf("got %+v", again)
	}
	o.ran(t, 1)
}

// TestStreamedAndStoredSaysWhatAHitSays: what the route's rules tell clients and caches downstream is told with the response that streams, too.
func TestStreamedAndStoredSaysWhatAHitSays(t *testing.T) {
	for name, rule := range map[string]Rule{
		"Tags": Tags("items"), "Browser": Browser(time.Minute), "no Browser": Browser(0), "CDN": CDN(time.Minute), "Headers": Headers("Accept-Language"),
		"Cookies": Cookies("theme"), "PerUser": PerUser(func(*http.Request) string { return "ann" }), "StoreCookies": StoreCookies(), "none": AnyHost(),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newTestCache(t, Options{AnnounceTags: true}).FromHeaders(rule)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Cache-Control", "public, max-age=3600, s-maxage=7200")
					w.Header().Set("Cdn-Cache-Control", "max-age=3600")
					w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
					flushed(w, nil)
				}))
				fill, hit := get(t, h, "/").Result().Header, get(t, h, "/").Result().Header
				if hit.Get("X-Cache") != "Hit" {
					t.Fatalf("not stored: %v", fill)
				}
				for _, name := range []string{"Cache-Control", "Expires", "Vary", "Cdn-Cache-Control", "Cache-Groups"} {
					if !slices.Equal(fill[name], hit[name]) {
						t.Errorf("%s: %q while it streams, %q on a hit", name, fill[name], hit[name])
					}
				}
			})
		})
	}
}

// TestStreamedVaryOfOuterMiddlewares: what the route adds to the Vary of an outer middleware does not make it the handler's.
func TestStreamedVaryOfOuterMiddlewares(t *testing.T) {
	h := newTestCache(t, Options{}).FromHeaders(Headers("Accept-Language"))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		flushed(w, nil)
	}))
	w := httptest.NewRecorder()
	w.Header().Set("Vary", "Origin")
	h.ServeHTTP(w, request(t.Context(), "/"))
	for vary, got := range map[string]http.Header{"Origin, Accept-Language": w.Result().Header, "Accept-Language": get(t, h, "/").Result().Header} {
		if strings.Join(got["Vary"], ", ") != vary {
			t.Errorf("X-Cache %s: Vary %q, want %s", got.Get("X-Cache"), got["Vary"], vary)
		}
	}
}

// TestStreamedButNotStored: what has gone out must not be stored when something is wrong with it in the end.
func TestStreamedButNotStored(t *testing.T) {
	cases := map[string]http.HandlerFunc{
		"too large": func(w http.ResponseWriter, _ *http.Request) { flushed(w, nil); writeTimes(w, 100) },
		"trailer": func(w http.ResponseWriter, _ *http.Request) {
			flushed(w, nil)
			w.Header().Set(http.TrailerPrefix+"X-Sum", "5")
		},
		"skip":       func(w http.ResponseWriter, r *http.Request) { flushed(w, nil); Entry(r).Skip("changed my mind") },
		"panic":      func(w http.ResponseWriter, _ *http.Request) { flushed(w, nil); panic(http.ErrAbortHandler) },
		"incomplete": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "9"); flushed(w, nil) },
		"purged": func(w http.ResponseWriter, r *http.Request) {
			flushed(w, nil)
			if err := r.Context().Value(purger{}).(*Cache).Invalidate(r.Context(), All()); err != nil {
				panic(err)
			}
		},
	}
	for name, answer := range cases {
		t.Run(name, func(t *testing.T) {
			cache := newTestCache(t, Options{MaxBodyBytes: 5000})
			o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				answer(w, r.WithContext(context.WithValue(r.Context(), purger{}, cache)))
			}}
			server := serve(t, cache.FromHeaders()(o))
			want := exchangeText(dial(t, serve(t, withPurger(cache, answer))).get("/"))
			for range 2 {
				if got := exchangeText(dial(t, server).get("/")); got.body != want.body || got.err != want.err || got.trailer != want.trailer {
					t.Errorf("got  %+v\nwant %+v", got, want)
				}
			}
			o.ran(t, 2)
			if n := cache.filling.Load(); n != 0 {
				t.Errorf("%d bytes are still reserved", n)
			}
		})
	}
}

type purger struct{}

func withPurger(c *Cache, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h(w, r.WithContext(context.WithValue(r.Context(), purger{}, c)))
	})
}

// TestStreamBelongsToItsClient: before the first byte goes out the fill does not end with its client; from then on it does, and
// the deadline of fills counts no more.
func TestStreamBelongsToItsClient(t *testing.T) {
	for _, h := range map[string]func(*Cache) func(http.Handler) http.Handler{
		"refused": func(c *Cache) func(http.Handler) http.Handler { return c.For(time.Minute) },
		"teed":    func(c *Cache) func(http.Handler) http.Handler { return c.FromHeaders() },
	} {
		synctest.Test(t, func(t *testing.T) {
			cache := newTestCache(t, Options{FillTimeout: time.Second})
			var client context.Context
			var leave context.CancelCauseFunc
			o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				flushed(w, nil)
				time.Sleep(time.Minute) // far beyond FillTimeout
				if err := r.Context().Err(); err != nil {
					t.Errorf("the deadline counts although the response streams: %v", err)
				}
				leave(errTest)
				<-r.Context().Done()
				if got := context.Cause(r.Context()); !errors.Is(got, errTest) || !errors.Is(r.Context().Err(), context.Canceled) {
					t.Errorf("cause %v, error %v", got, r.Context().Err())
				}
			}}
			wrapped := h(cache)(o)
			for range 2 {
				client, leave = context.WithCancelCause(t.Context())
				wrapped.ServeHTTP(httptest.NewRecorder(), request(client, "/"))
				leave(nil)
			}
			o.ran(t, 2) // what was cut short is not stored
		})
	}
}

// registrar is a context that counts who waits for its end.
type registrar struct {
	context.Context
	waiting int
}

func (*registrar) Done() <-chan struct{} { return make(chan struct{}) }

func (c *registrar) AfterFunc(func()) (stop func() bool) {
	c.waiting++
	return func() bool {
		c.waiting--
		return true
	}
}

// TestStreamLetsGoOfItsClient: a client's context that outlives the request must not collect what was done for it.
func TestStreamLetsGoOfItsClient(t *testing.T) {
	cache := newTestCache(t, Options{})
	h := cache.For(time.Minute)(http.HandlerFunc(flushed))
	ctx := &registrar{Context: t.Context()}
	for range 3 {
		h.ServeHTTP(httptest.NewRecorder(), request(ctx, "/"))
	}
	if ctx.waiting != 0 {
		t.Errorf("%d functions still wait for the end of the context", ctx.waiting)
	}
}

// TestWaitersOfAStream: once it is known that a response is not shared, those who waited for it run at once, though it goes on.
func TestWaitersOfAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newTestCache(t, Options{})
		o := &origin{answer: func(w http.ResponseWriter, _ *http.Request) {
			flushed(w, nil)
			time.Sleep(time.Hour)
		}}
		h := cache.For(time.Minute)(o)
		clients := crowd(10, func(int) { get(t, h, "/") })
		time.Sleep(time.Minute)
		o.ran(t, 10)
		clients.Wait()
	})
}
