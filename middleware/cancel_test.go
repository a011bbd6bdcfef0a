package middleware

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	chimiddleware "github.com/go-chi/chi/v5/middleware"
)

// TestFillTimeout: what a handler may do about the end of its time, and what its client gets.
func TestFillTimeout(t *testing.T) {
	cases := map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		status int
		body   string
		detail string
	}{
		"silent":       {func(http.ResponseWriter, *http.Request) {}, http.StatusGatewayTimeout, "Gateway Timeout\n", "timeout"},
		"field only":   {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-A", "b") }, http.StatusGatewayTimeout, "Gateway Timeout\n", "timeout"},
		"own error":    {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "slow", http.StatusServiceUnavailable) }, http.StatusServiceUnavailable, "slow\n", "status"},
		"late answer":  {says("late"), http.StatusOK, "late", "timeout"},
		"empty answer": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }, http.StatusOK, "", "timeout"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
					derived, cancel := context.WithTimeout(r.Context(), time.Minute)
					defer cancel()
					<-derived.Done()
					if !errors.Is(derived.Err(), context.DeadlineExceeded) {
						t.Errorf("derived: %v", derived.Err())
					}
					if err := r.Context().Err(); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(context.Cause(r.Context()), context.DeadlineExceeded) {
						t.Errorf("error %v, cause %v", err, context.Cause(r.Context()))
					}
					test.answer(w, r)
				}}
				cache := newTestCache(t, Options{FillTimeout: 2 * time.Second})
				h := cache.For(time.Minute)(o)
				for range 2 {
					began := time.Now()
					expect(t, get(t, h, "/"), test.status, test.body, "X-A", "", "Cache-Status", "larder; fwd=uri-miss; detail="+test.detail)
					if took := time.Since(began); took != 2*time.Second {
						t.Errorf("took %v", took)
					}
				}
				o.ran(t, 2)
				if s := cache.Stats(); s.Stores != 0 || cache.refusals.recent("larder:example.com/()", time.Now()) {
					t.Errorf("%+v, and a time-out is remembered", s)
				}
			})
		})
	}
}

// TestTimeoutOfALeader: one waiter takes over, the rest wait on.
func TestTimeoutOfALeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		o.answer = func(w http.ResponseWriter, r *http.Request) {
			if o.runs.Load() == 1 {
				<-r.Context().Done()
				return
			}
			_, _ = io.WriteString(w, "hello")
		}
		h := newTestCache(t, Options{FillTimeout: time.Second}).For(time.Minute)(o)
		leader := crowd(1, func(int) { expect(t, get(t, h, "/"), http.StatusGatewayTimeout, "Gateway Timeout\n") })
		synctest.Wait()
		crowd(50, func(int) { expect(t, get(t, h, "/"), http.StatusOK, "hello") }).Wait()
		leader.Wait()
		o.ran(t, 2)
	})
}

// TestDeadlineOfAnOuterMiddleware: it ends a wait, with the status of a time-out, but not the run.
func TestDeadlineOfAnOuterMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{answer: func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(2 * time.Second)
			_, _ = io.WriteString(w, "hello")
		}}
		h := chimiddleware.Timeout(time.Second)(newTestCache(t, Options{}).For(time.Minute)(o))
		leader := crowd(1, func(int) { expect(t, get(t, h, "/"), http.StatusOK, "hello") })
		synctest.Wait()
		expect(t, get(t, h, "/"), http.StatusGatewayTimeout, "")
		leader.Wait()
		expect(t, get(t, h, "/"), http.StatusOK, "hello", "X-Cache", "Hit")
		o.ran(t, 1)
	})
}

// TestRunIsOver: after the handler has returned, its context ends, as net/http promises.
func TestRunIsOver(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){"stored": says("hello"), "streamed": flushed} {
		t.Run(name, func(t *testing.T) {
			var seen context.Context
			h := newTestCache(t, Options{}).For(time.Minute)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = r.Context()
				answer(w, r)
			}))
			get(t, h, "/")
			if !errors.Is(seen.Err(), context.Canceled) {
				t.Errorf("error %v", seen.Err())
			}
		})
	}
}

// TestValuesOfTheRequest: a run has the values of the request that began it.
func TestValuesOfTheRequest(t *testing.T) {
	type key struct{}
	var got any
	h := newTestCache(t, Options{}).For(time.Minute)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Context().Value(key{}) }))
	h.ServeHTTP(httptest.NewRecorder(), request(context.WithValue(t.Context(), key{}, "user 1"), "/"))
	if got != "user 1" {
		t.Errorf("got %v", got)
	}
}

// TestCancellationStorm: clients that leave at any moment leave nothing behind, and those that stay get their answer.
func TestCancellationStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		o.answer = func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
			switch rand.IntN(6) {
			case 0:
				panic(http.ErrAbortHandler)
			case 1:
				w.WriteHeader(http.StatusInternalServerError)
			case 2:
				w.Header().Set("Cache-Control", "private")
			case 3:
				flushed(w, r)
			}
			_, _ = io.WriteString(w, r.URL.Path)
		}
		cache := newTestCache(t, Options{FillTimeout: 200 * time.Millisecond})
		h := cache.For(50*time.Millisecond, Stale(time.Second))(o)
		for range 10 {
			crowd(200, func(i int) {
				ctx, leave := context.WithTimeout(t.Context(), time.Duration(rand.IntN(400))*time.Millisecond)
				defer leave()
				time.Sleep(time.Duration(rand.IntN(50)) * time.Millisecond)
				_ = panics(func() { h.ServeHTTP(final{httptest.NewRecorder()}, request(ctx, "/"+string(rune('a'+i%5)))) })
			}).Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(cache.flights.flying); n != 0 || cache.filling.Load() != 0 || cache.refreshing.Load() != 0 {
			t.Errorf("%d flights, %d bytes, %d refreshes are left", n, cache.filling.Load(), cache.refreshing.Load())
		}
	})
}

// TestCloseNotify: gin's Stream asserts that its writer is an http.CloseNotifier, which ends when the handler's context does: with
// the client once the response streams.
func TestCloseNotify(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		synctest.Test(t, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
				gone := w.(interface{ CloseNotify() <-chan bool }).CloseNotify()
				flushed(w, r)
				synctest.Wait()
				select {
				case <-gone:
					t.Errorf("%s: gone before the client is", method)
				default:
				}
				leave()
				<-gone
			}}
			h := newTestCache(t, Options{}).For(time.Minute)(o)
			r := request(ctx, "/")
			r.Method = method
			h.ServeHTTP(httptest.NewRecorder(), r)
			o.ran(t, 1)
		})
	}
}
