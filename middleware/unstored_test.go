package middleware_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	larder "github.com/larderhq/larder/middleware"
)

// TestNeverStored is every reason why a response is not stored, with the detail that Cache-Status gives; the client gets what the
// handler said and nothing of ours.
func TestNeverStored(t *testing.T) {
	for _, tt := range []struct {
		name    string
		handler *counted
		fields  []string
		status  string // Cache-Status
		rules   []larder.Rule
	}{
		{"Set-Cookie", answering(200, "x", "Set-Cookie: a=b"), nil, "fwd=uri-miss; detail=set-cookie", nil},
		{"no-store", answering(200, "x", "Cache-Control: max-age=60, No-Store"), nil, "fwd=uri-miss; detail=no-store", nil},
		{"no-store on the second line", answering(200, "x", "Cache-Control: public", "Cache-Control: no-store"), nil, "fwd=uri-miss; detail=no-store", nil},
		{"private", answering(200, "x", "Cache-Control: private"), nil, "fwd=uri-miss; detail=private", nil},
		{"no-cache", answering(200, "x", "Cache-Control: no-cache"), nil, "fwd=uri-miss; detail=no-cache", nil},
		{"max-age=0", answering(200, "x", "Cache-Control: max-age=0"), nil, "fwd=uri-miss; detail=expired", nil},
		{"past Expires", answering(200, "x", "Expires: 0"), nil, "fwd=uri-miss; detail=expired", nil},
		{"Vary: *", answering(200, "x", "Vary: Accept, *"), nil, "fwd=uri-miss; detail=vary", nil},
		{"too many fields in Vary", answering(200, "x", "Vary: A,B,C,D,E,F,G,H,I,J,K,L,M,N,O,P,Q"), nil, "fwd=uri-miss; detail=vary", nil},
		{"206", answering(206, "x", "Content-Range: bytes 0-0/2"), nil, "fwd=uri-miss; detail=partial", nil},
		{"302", answering(302, "x", "Location: /"), nil, "fwd=uri-miss; detail=status", nil},
		{"404", answering(404, "x"), nil, "fwd=uri-miss; detail=status", nil},
		{"404 where others are kept", answering(404, "x"), nil, "fwd=uri-miss; detail=status", []larder.Rule{larder.Negative(time.Minute, 410)}},
		{"500", answering(500, "x"), nil, "fwd=uri-miss; detail=status", nil},
		{"304 of its own", answering(304, ""), nil, "fwd=uri-miss; detail=status", nil},
		{"announced trailer", answering(200, "x", "Trailer: X-Sum"), nil, "fwd=uri-miss; detail=trailer", nil},
		{"short body", answering(200, "x", "Content-Length: 2"), nil, "fwd=uri-miss; detail=incomplete", nil},
		{"no body", answering(200, "", "Content-Length: 2"), nil, "fwd=uri-miss; detail=incomplete", nil},
		{"long body", answering(200, strings.Repeat("x", 101)), nil, "fwd=uri-miss; detail=body-size", nil},
		{"announced long body", answering(200, strings.Repeat("x", 101), "Content-Length: 101"), nil, "fwd=uri-miss; detail=body-size", nil},
		{"the handler's word", &counted{answer: func(w http.ResponseWriter, r *http.Request) {
			larder.Entry(r).Skip("just \"because\"")
			write(w, "x")
		}}, nil, `fwd=uri-miss; detail="just \"because\""`, nil},
		{"the handler's late word", &counted{answer: func(w http.ResponseWriter, r *http.Request) {
			write(w, "x")
			larder.Entry(r).TTL(0)
		}}, nil, "fwd=uri-miss; detail=ttl", nil},
		{"flushed", &counted{answer: func(w http.ResponseWriter, _ *http.Request) {
			write(w, "x")
			w.(http.Flusher).Flush()
		}}, nil, "fwd=uri-miss; detail=flush", nil},
		{"Upgrade", answering(200, "x"), []string{"Upgrade: websocket"}, "fwd=bypass; detail=upgrade", nil},
		{"If-Match", answering(200, "x"), []string{"If-Match: *"}, "fwd=bypass; detail=precondition", nil},
		{"If-Unmodified-Since", answering(200, "x"), []string{"If-Unmodified-Since: " + second0}, "fwd=bypass; detail=precondition", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := openCache(t, larder.Options{MaxBodyBytes: 100})
			h := c.OneHour(tt.rules...)(tt.handler)
			bare := ask(t, tt.handler.answer, "/", tt.fields...)
			for n := range 3 {
				got := ask(t, h, "/", tt.fields...)
				if got.status != bare.status || got.body != bare.body || tt.handler.runs.Load() != int64(n+1) {
					t.Errorf("got %d %q after %d runs, want %d %q", got.status, got.body, tt.handler.runs.Load(), bare.status, bare.body)
				}
				expectFields(t, got, "Cache-Status: larder; "+tt.status)
				got.header.Del("Cache-Status")
				for name := range joined(got.header, bare.header) {
					if got.all(name) != bare.all(name) && name != "Content-Type" { // which a recorder guesses now and then
						t.Errorf("%s: got %q, want %q", name, got.all(name), bare.all(name))
					}
				}
			}
			if s := c.Stats(); s.Entries != 0 || s.Stores != 0 || s.Hits != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestOtherMethods(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"} {
		handler := new(counted)
		h := openCache(t, larder.Options{}).OneHour()(handler)
		for range 2 {
			expectFields(t, ask(t, h, method+" /"), "Cache-Status: larder; fwd=method", "X-Cache:", "Cache-Control:", "Etag:")
		}
		if got := ask(t, h, "/"); got.hit() || got.body != "run 3" {
			t.Errorf("%s filled the cache: %v", method, got)
		}
	}
}

func TestGetWithBodyPassesBy(t *testing.T) {
	h := openCache(t, larder.Options{}).OneHour()(new(counted))
	for range 2 {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", strings.NewReader("x"))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		expectFields(t, answered{w.Code, w.Header(), ""}, "Cache-Status: larder; fwd=bypass; detail=body", "X-Cache:")
	}
}

func TestHEAD(t *testing.T) {
	handler := &counted{answer: func(w http.ResponseWriter, _ *http.Request) { write(w, "hello") }}
	h := openCache(t, larder.Options{}).OneHour()(handler)
	for range 2 {
		expectFields(t, ask(t, h, "HEAD /"), "Cache-Status: larder; fwd=uri-miss", "X-Cache:", "Cache-Control:")
	}
	if got := ask(t, h, "/"); got.hit() || handler.runs.Load() != 3 {
		t.Errorf("a HEAD filled the cache: %v", got)
	}
	got := ask(t, h, "HEAD /")
	expectFields(t, got, "X-Cache: Hit", "Content-Length: 5", "Cache-Control: max-age=3600", "Etag: "+helloTag)
	if got.status != 200 || got.body != "" || handler.runs.Load() != 3 {
		t.Errorf("got %v after %d runs", got, handler.runs.Load())
	}
}

// A panic goes on as if there were no cache, and nothing of the response is kept.
func TestPanicIsNotStored(t *testing.T) {
	handler := &counted{answer: func(w http.ResponseWriter, _ *http.Request) {
		write(w, "half of")
		panic(http.ErrAbortHandler)
	}}
	c := openCache(t, larder.Options{})
	h := c.OneHour()(handler)
	for n := range 2 {
		func() {
			defer func() {
				if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
					t.Errorf("recovered %v", err)
				}
			}()
			ask(t, h, "/")
		}()
		if handler.runs.Load() != int64(n+1) || c.Stats().Entries != 0 {
			t.Errorf("%d runs, %+v", handler.runs.Load(), c.Stats())
		}
	}
}

func TestLifetimes(t *testing.T) {
	lasting := func(d time.Duration) *counted {
		return &counted{answer: func(w http.ResponseWriter, r *http.Request) {
			larder.Entry(r).TTL(d)
			w.Header().Set("Cache-Control", "max-age=7, s-maxage=8, public")
			write(w, "x")
		}}
	}
	for _, tt := range []struct {
		name    string
		handler *counted
		rules   []larder.Rule
		seconds int
	}{
		{"Entry", lasting(5 * time.Second), nil, 5},
		{"CDN-Cache-Control", answering(200, "x", "CDN-Cache-Control: max-age=6", "Cache-Control: s-maxage=8, no-store"), nil, 6},
		{"s-maxage", answering(200, "x", "Cache-Control: max-age=9, s-maxage=7"), nil, 7},
		{"max-age", answering(200, "x", "Cache-Control: max-age=9", "Expires: "+second30), nil, 9},
		{"Expires", answering(200, "x", "Expires: "+second30), nil, 30},
		{"Negative", answering(404, "x"), []larder.Rule{larder.Negative(4*time.Second, 404)}, 4},
		{"the handler's over Negative", answering(404, "x", "Cache-Control: max-age=9"), []larder.Rule{larder.Negative(4*time.Second, 404)}, 9},
		{"explicit on any status", answering(404, "x", "Cache-Control: max-age=9"), nil, 9},
		{"For on 301", answering(301, "", "Location: /"), nil, 60},
		{"For", answering(200, "x"), nil, 60},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := openCache(t, larder.Options{}).OneMinute(tt.rules...)(tt.handler)
				ask(t, h, "/")
				time.Sleep(time.Duration(tt.seconds)*time.Second - 1)
				if got := ask(t, h, "/"); !got.hit() {
					t.Errorf("too short: %v", got)
				}
				time.Sleep(time.Nanosecond)
				if got := ask(t, h, "/"); got.hit() {
					t.Errorf("too long: %v", got)
				}
			})
		})
	}
}

func TestDisabledTouchesNothing(t *testing.T) {
	c := openCache(t, larder.Options{Disabled: true})
	h := c.OneHour()(new(counted))
	for _, method := range []string{"GET", "HEAD", "POST"} {
		expectFields(t, ask(t, h, method+" /"), "X-Cache:", "Cache-Control:", "Etag:", "Cache-Status:")
	}
	if s := c.Stats(); s != (larder.Stats{}) {
		t.Errorf("stats %+v", s)
	}
}

func TestClosedPassesBy(t *testing.T) {
	c := openCache(t, larder.Options{})
	h := c.OneHour()(new(counted))
	ask(t, h, "/")
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	expectFields(t, ask(t, h, "/"), "X-Cache:", "Cache-Control:", "Cache-Status:")
}

// A cache around a whole router and one around a route of it, as who wants another lifetime there writes them.
func TestCacheInsideItself(t *testing.T) {
	for name, nest := range map[string]func(c, other *larder.Cache, h http.Handler) http.Handler{
		"once":         func(c, _ *larder.Cache, h http.Handler) http.Handler { return c.OneMinute()(h) },
		"hidden query": func(c, _ *larder.Cache, h http.Handler) http.Handler { return c.OneMinute(larder.NoQuery())(h) },
		"twice":        func(c, _ *larder.Cache, h http.Handler) http.Handler { return c.OneMinute()(c.OneDay()(h)) },
		"another":      func(c, other *larder.Cache, h http.Handler) http.Handler { return c.OneMinute()(other.OneMinute()(h)) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c, handler := openCache(t, larder.Options{}), new(counted)
				h := nest(c, openCache(t, larder.Options{}), c.OneHour()(handler))
				began := time.Now()
				expectFields(t, ask(t, h, "/"), "Cache-Control: max-age=3600", "X-Cache: Miss")
				if took := time.Since(began); took != 0 {
					t.Errorf("waited %v for itself", took)
				}
				if got := ask(t, h, "/"); !got.hit() || handler.runs.Load() != 1 {
					t.Errorf("got %v after %d runs", got, handler.runs.Load())
				}
			})
		})
	}
}
