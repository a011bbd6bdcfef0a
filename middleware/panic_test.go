package middleware

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestPanicGoesOn: without a stored response to stand in, the client's goroutine sees the handler's own panic, with its value.
func TestPanicGoesOn(t *testing.T) {
	for name, value := range map[string]any{"text": "boom", "error": errTest, "abort": http.ErrAbortHandler} {
		for when, before := range map[string]func(http.ResponseWriter){
			"at once":    func(http.ResponseWriter) {},
			"after body": func(w http.ResponseWriter) { _, _ = w.Write([]byte("held")) },
			"streaming":  func(w http.ResponseWriter) { flushed(w, nil) },
		} {
			t.Run(name+" "+when, func(t *testing.T) {
				cache := newTestCache(t, Options{})
				h := cache.For(time.Minute)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					before(w)
					panic(value)
				}))
				for range 2 {
					w := httptest.NewRecorder()
					if got := panics(func() { h.ServeHTTP(w, request(t.Context(), "/")) }); got != value {
						t.Errorf("panics with %v", got)
					}
					if when == "after body" && w.Body.Len() > 0 {
						t.Errorf("%q went out", w.Body)
					}
				}
				if s := cache.Stats(); s.Panics != 2 || s.Stores != 0 || cache.filling.Load() != 0 {
					t.Errorf("%+v, %d bytes reserved", s, cache.filling.Load())
				}
			})
		}
	}
}

// failure ends a handler without an answer.
type failure struct {
	name string
	end  func()
}

var failures = []failure{
	{"panic", func() { panic("boom") }},
	{"abort", func() { panic(http.ErrAbortHandler) }},
	{"Goexit", runtime.Goexit},
}

// TestPanicOfALeader: one waiter takes over, the others go on waiting for that one, and nobody but the leader sees the panic.
func TestPanicOfALeader(t *testing.T) {
	for _, failure := range failures {
		t.Run(failure.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &origin{}
				o.answer = func(w http.ResponseWriter, _ *http.Request) {
					first := o.runs.Load() == 1
					time.Sleep(slow)
					if first {
						failure.end()
					}
					_, _ = w.Write([]byte("hello"))
				}
				h := newTestCache(t, Options{}).For(time.Minute)(o)
				var answered atomic.Int64
				began := time.Now()
				crowd(100, func(int) {
					_ = panics(func() {
						expect(t, get(t, h, "/"), http.StatusOK, "hello")
						answered.Add(1)
					})
				}).Wait()
				o.ran(t, 2)
				if took := time.Since(began); answered.Load() != 99 || took != 2*slow {
					t.Errorf("%d were answered, in %v", answered.Load(), took)
				}
				expect(t, get(t, h, "/"), http.StatusOK, "hello", "X-Cache", "Hit")
			})
		})
	}
}

// TestEveryRunPanics: a key whose handler always panics stays usable, and its clients are not served one after the other.
func TestEveryRunPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{answer: slowly(func(http.ResponseWriter, *http.Request) { panic("boom") })}
		h := newTestCache(t, Options{}).For(time.Minute)(o)
		var panicked atomic.Int64
		began := time.Now()
		crowd(200, func(int) {
			if panics(func() { get(t, h, "/") }) == "boom" {
				panicked.Add(1)
			}
		}).Wait()
		if took := time.Since(began); panicked.Load() != 200 || took != (maxFailedFlights+1)*slow {
			t.Errorf("%d saw the panic, in %v", panicked.Load(), took)
		}
	})
}

// TestPanicBesideStale: a stored response stands in for a handler that ends without an answer, and the stack is logged.
func TestPanicBesideStale(t *testing.T) {
	for _, failure := range failures {
		for when, before := range map[string]func(http.ResponseWriter){
			"at once":      func(http.ResponseWriter) {},
			"after body":   func(w http.ResponseWriter) { _, _ = w.Write([]byte("held")) },
			"after header": func(w http.ResponseWriter) { w.Header().Set("X-New", "1"); w.WriteHeader(http.StatusBadGateway) },
			"after 103":    func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints) },
			"after hijack": func(w http.ResponseWriter) { _, _, _ = w.(http.Hijacker).Hijack() },
		} {
			t.Run(failure.name+" "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					log := new(records)
					cache := newTestCache(t, Options{Logger: slog.New(log)})
					o := &origin{}
					o.answer = func(w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("Cache-Control", "max-age=1, stale-if-error=60")
						if o.runs.Load() > 1 {
							before(w)
							failure.end()
						}
						_, _ = w.Write([]byte("old"))
					}
					h := cache.FromHeaders()(o)
					get(t, h, "/")
					time.Sleep(10 * time.Second)
					for range 2 {
						expect(t, get(t, h, "/"), http.StatusOK, "old",
							"X-Cache", "Miss", "Cache-Status", "larder; fwd=stale", "Cache-Status", "detail=stale-if-error", "X-New", "", "Warning", "")
					}
					o.ran(t, 3)
					stacks := log.matching("panic_test.go")
					if failure.name == "panic" && (len(stacks) != 2 || !strings.Contains(stacks[0], "boom")) {
						t.Errorf("logged %q", log.list)
					}
				})
			})
		}
	}
}

// TestPanicBesideStaleWhileStreaming: what has begun to go out cannot be replaced; the client must see it break off.
func TestPanicBesideStaleWhileStreaming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		o.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=1, stale-if-error=60")
			if o.runs.Load() > 1 {
				w.Header().Set("Set-Cookie", "a=b")
				_, _ = w.Write([]byte("partial"))
				panic("boom")
			}
		}
		h := newTestCache(t, Options{}).FromHeaders()(o)
		get(t, h, "/")
		time.Sleep(10 * time.Second)
		if got := panics(func() { get(t, h, "/") }); got != "boom" {
			t.Errorf("panics with %v", got)
		}
	})
}

// TestPanicOnTheWire: a client sees the same broken connection as without the cache.
func TestPanicOnTheWire(t *testing.T) {
	server := serve(t, newTestCache(t, Options{}).For(time.Minute)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("held"))
		panic(http.ErrAbortHandler)
	})))
	if line, err := dial(t, server).get("/").r.ReadString('\n'); err == nil {
		t.Errorf("got %q", line)
	}
}
