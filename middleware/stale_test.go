package middleware

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// versions answers with the number of the run, under a Cache-Control; from the second run on through then, if given.
func versions(cacheControl string, then func(http.ResponseWriter, *http.Request)) *origin {
	o := &origin{}
	o.answer = func(w http.ResponseWriter, r *http.Request) {
		n := o.runs.Load()
		if n > 1 && then != nil {
			then(w, r)
			return
		}
		if cacheControl != "" {
			w.Header().Set("Cache-Control", cacheControl)
		}
		_, _ = io.WriteString(w, strconv.FormatInt(n, 10))
	}
	return o
}

// TestStaleIfError: which failures a stored response stands in for (RFC 5861 §4), and which forbid it.
func TestStaleIfError(t *testing.T) {
	status := func(code int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Set-Cookie", "error=1")
			http.Error(w, "failed", code)
		}
	}
	hangs := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	late := func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "failed")
	}
	cases := []struct {
		name, control string
		fails         func(http.ResponseWriter, *http.Request)
		wait          time.Duration
		want          int // 200: the stored response
		status        string
	}{
		{"500", "max-age=1, stale-if-error=60", status(500), 30 * time.Second, 200, "larder; fwd=stale; fwd-status=500; detail=stale-if-error"},
		{"502", "max-age=1, stale-if-error=60", status(502), 30 * time.Second, 200, "larder; fwd=stale; fwd-status=502; detail=stale-if-error"},
		{"503", "max-age=1, stale-if-error=60", status(503), 30 * time.Second, 200, "larder; fwd=stale; fwd-status=503; detail=stale-if-error"},
		{"504", "max-age=1, stale-if-error=60", status(504), 30 * time.Second, 200, "larder; fwd=stale; fwd-status=504; detail=stale-if-error"},
		{"501", "max-age=1, stale-if-error=60", status(501), 30 * time.Second, 501, "larder; fwd=stale"},
		{"404", "max-age=1, stale-if-error=60", status(404), 30 * time.Second, 404, "larder; fwd=stale"},
		{"time-out", "max-age=1, stale-if-error=60", hangs, 30 * time.Second, 200, "larder; fwd=stale; detail=stale-if-error"},
		{"too late", "max-age=1, stale-if-error=60", late, 30 * time.Second, 200, "larder; fwd=stale; detail=stale-if-error"},
		{"window over", "max-age=1, stale-if-error=20", status(500), 30 * time.Second, 500, "larder; fwd=stale"},
		{"must-revalidate", "max-age=1, stale-if-error=60, must-revalidate", status(500), 30 * time.Second, 500, ""},
		{"proxy-revalidate", "max-age=1, stale-if-error=60, proxy-revalidate", status(500), 30 * time.Second, 500, ""},
		{"s-maxage", "s-maxage=1, stale-if-error=60", status(500), 30 * time.Second, 500, ""},
		{"time-out, must-revalidate", "max-age=1, stale-if-error=60, must-revalidate", hangs, 30 * time.Second, 504, ""},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newTestCache(t, Options{FillTimeout: time.Second}).FromHeaders()(versions(test.control, test.fails))
				get(t, h, "/")
				time.Sleep(test.wait)
				w := get(t, h, "/")
				if w.Code != test.want {
					t.Errorf("status %d, want %d", w.Code, test.want)
				}
				if test.want == http.StatusOK {
					expect(t, w, http.StatusOK, "1", "Set-Cookie", "", "Cache-Status", test.status, "X-Cache", "Miss")
				}
			})
		})
	}
}

// TestStaleForHEAD: what is stored stands in for a handler that panics at a HEAD as well, where it may.
func TestStaleForHEAD(t *testing.T) {
	for control, want := range map[string]any{
		"max-age=1, stale-if-error=60":                  nil,
		"max-age=1, stale-if-error=60, must-revalidate": "boom",
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newTestCache(t, Options{}).FromHeaders()(versions(control, func(http.ResponseWriter, *http.Request) { panic("boom") }))
			get(t, h, "/")
			time.Sleep(30 * time.Second)
			w := httptest.NewRecorder()
			defer func() {
				if v := recover(); v != want {
					t.Errorf("%s: panicked with %v, want %v", control, v, want)
				}
				if want == nil {
					expect(t, w, http.StatusOK, "", "Cache-Status", "larder; fwd=stale; detail=stale-if-error", "Age", "30")
				}
			}()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/", nil))
		})
	}
}

// TestStaleStandsInUnderFor: the rule Stale opens both windows, and a handler that answers again ends the matter.
func TestStaleStandsInUnderFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		o := versions("", nil)
		answer := o.answer
		o.answer = func(w http.ResponseWriter, r *http.Request) {
			if o.runs.Load() > 1 && down.Load() {
				panic("boom")
			}
			answer(w, r)
		}
		h := newTestCache(t, Options{}).For(time.Second, Stale(time.Hour))(o)
		get(t, h, "/")
		for range 5 {
			time.Sleep(10 * time.Second)
			expect(t, get(t, h, "/"), http.StatusOK, "1", "X-Cache", "Hit")
		}
		synctest.Wait() // or the last refresh meets a handler that answers again
		down.Store(false)
		time.Sleep(maxBackoff)
		get(t, h, "/")
		synctest.Wait()
		expect(t, get(t, h, "/"), http.StatusOK, strconv.FormatInt(o.runs.Load(), 10), "X-Cache", "Hit")
	})
}

// TestDeafHandler: a handler that ignores its context keeps nobody waiting for the stale response longer than FillTimeout, and
// what it says in the end is not stored.
func TestDeafHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deaf := func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, "too ")
			time.Sleep(time.Minute)
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now())
			_ = http.NewResponseController(w).Flush()
			w.WriteHeader(http.StatusOK)
			_, _ = io.WriteString(w, "late")
		}
		cache := newTestCache(t, Options{FillTimeout: 2 * time.Second})
		h := cache.FromHeaders()(versions("max-age=1, stale-if-error=3600", deaf))
		get(t, h, "/")
		time.Sleep(10 * time.Second)
		w := &deadlines{ResponseWriter: httptest.NewRecorder()}
		began := time.Now()
		h.ServeHTTP(w, request(t.Context(), "/"))
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
		expect(t, w.ResponseWriter.(*httptest.ResponseRecorder), http.StatusOK, "1", "Cache-Status", "detail=stale-if-error")
		time.Sleep(2 * time.Minute)
		if w.set != 0 {
			t.Error("a handler that was given up reached into the client's connection")
		}
		if body := w.ResponseWriter.(*httptest.ResponseRecorder).Body.String(); body != "1" {
			t.Errorf("body %q", body)
		}
		if cache.filling.Load() != 0 || cache.Stats().Stores != 1 {
			t.Errorf("%d bytes reserved, %+v", cache.filling.Load(), cache.Stats())
		}
	})
}

// deadlines counts the deadlines that are set.
type deadlines struct {
	http.ResponseWriter
	set int
}

func (d *deadlines) SetWriteDeadline(time.Time) error {
	d.set++
	return nil
}

// TestClientLeavesBesideStale: the run goes on and its answer is stored, for whoever asks next.
func TestClientLeavesBesideStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestCache(t, Options{}).FromHeaders()(versions("max-age=1, stale-if-error=3600", slowly(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, "new")
		})))
		get(t, h, "/")
		time.Sleep(10 * time.Second)
		ctx, leave := context.WithTimeout(t.Context(), slow/3)
		defer leave()
		other := crowd(1, func(int) { time.Sleep(slow / 2); expect(t, get(t, h, "/"), http.StatusOK, "new") })
		h.ServeHTTP(httptest.NewRecorder(), request(ctx, "/"))
		other.Wait()
		expect(t, get(t, h, "/"), http.StatusOK, "new", "X-Cache", "Hit")
	})
}

// TestRecorderIsTransparentBesideStale: a run that has a goroutine of its own looks no different to its client.
func TestRecorderIsTransparentBesideStale(t *testing.T) {
	cases := map[string]func(http.ResponseWriter, *http.Request){
		"stored":              says("hello"),
		"refused":             func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Set-Cookie", "a=b"); writeTimes(w, 3) },
		"flush":               flushed,
		"early hints":         earlyHints,
		"trailer announced":   announcedTrailer,
		"trailer unannounced": unannouncedTrailer,
		"less than declared":  lessThanDeclared,
		"nothing":             func(http.ResponseWriter, *http.Request) {},
		"no content":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"outer field": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Del("X-Outer")
			w.Header().Add("X-Both", "inner")
		},
	}
	for name, answer := range cases {
		t.Run(name, func(t *testing.T) {
			outer := func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("X-Outer", "outer")
					w.Header().Set("X-Both", "outer")
					next.ServeHTTP(w, r)
				})
			}
			want := exchangeText(dial(t, serve(t, outer(http.HandlerFunc(answer)))).get("/"))
			server := serve(t, outer(newTestCache(t, Options{}).FromHeaders()(versions("max-age=0, stale-if-error=60, stale-while-revalidate=0", answer))))
			_ = exchangeText(dial(t, server).get("/"))
			got := exchangeText(dial(t, server).get("/"))
			if got.body != want.body || got.status != want.status || got.err != want.err || got.trailer != want.trailer || got.informed != want.informed {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			for _, name := range []string{"X-Outer", "X-Both", "Set-Cookie"} {
				if fmt.Sprint(got.header[name]) != fmt.Sprint(want.header[name]) {
					t.Errorf("%s: %q, want %q", name, got.header[name], want.header[name])
				}
			}
		})
	}
}

// TestPurgedIsNoStandIn: a stale response that is purged while the handler runs no longer takes the place of its failure.
func TestPurgedIsNoStandIn(t *testing.T) {
	for name, tt := range map[string]struct {
		fail   func()
		status int // 0: the panic goes on
	}{
		"panic":    {func() { panic(http.ErrAbortHandler) }, 0},
		"time-out": {func() { time.Sleep(time.Minute) }, http.StatusGatewayTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cache := newTestCache(t, Options{})
				h := cache.For(time.Minute, StaleIfError(time.Hour))(versions("", func(http.ResponseWriter, *http.Request) {
					if err := cache.Invalidate(t.Context(), Path("/")); err != nil {
						t.Error(err)
					}
					tt.fail()
				}))
				get(t, h, "/")
				time.Sleep(2 * time.Minute)
				w := httptest.NewRecorder()
				defer func() {
					if v := recover(); (v != nil) != (tt.status == 0) || v == nil && w.Code != tt.status {
						t.Errorf("got %d %q, panic %v", w.Code, w.Body, v)
					}
					time.Sleep(time.Minute)
				}()
				h.ServeHTTP(w, request(t.Context(), "/"))
			})
		})
	}
}

// TestPurgedIsNotValidated: a response that is purged while a request waits must not come back by a 304, whose Last-Modified tells
// no more than the second, with a position behind the purge.
func TestPurgedIsNotValidated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newTestCache(t, Options{})
		var version atomic.Value
		version.Store("old")
		o := new(origin)
		o.answer = func(w http.ResponseWriter, r *http.Request) {
			if o.runs.Load() == 2 {
				time.Sleep(slow)
				panic(http.ErrAbortHandler)
			}
			w.Header().Set("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT")
			if r.Header.Get("If-Modified-Since") != "" {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			_, _ = io.WriteString(w, version.Load().(string))
		}
		h := cache.For(time.Minute)(o)
		get(t, h, "/")
		time.Sleep(2 * time.Minute)
		waiters := crowd(2, func(int) {
			defer func() { _ = recover() }()
			get(t, h, "/")
		})
		synctest.Wait()
		version.Store("new")
		if err := cache.Invalidate(t.Context(), Path("/")); err != nil {
			t.Fatal(err)
		}
		waiters.Wait()
		expect(t, get(t, h, "/"), http.StatusOK, "new")
	})
}
