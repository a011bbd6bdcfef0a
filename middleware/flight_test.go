package middleware

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const slow = 300 * time.Millisecond

// slowly answers after a while.
func slowly(answer http.HandlerFunc) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(slow)
		answer(w, r)
	}
}

// TestStampede: a thousand clients of one cold key cost one run, and none waits longer than it takes.
func TestStampede(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{answer: slowly(says("hello"))}
		h := newTestCache(t, Options{}).For(time.Minute)(o)
		began := time.Now()
		var collapsed atomic.Int64
		crowd(1000, func(int) {
			w := get(t, h, "/")
			expect(t, w, http.StatusOK, "hello", "X-Cache", "Miss")
			if w.Header().Get("Cache-Status") == "larder; fwd=uri-miss; stored; collapsed" {
				collapsed.Add(1)
			}
		}).Wait()
		o.ran(t, 1)
		if took := time.Since(began); took != slow {
			t.Errorf("took %v", took)
		}
		if collapsed.Load() != 999 {
			t.Errorf("%d collapsed", collapsed.Load())
		}
		expect(t, get(t, h, "/"), http.StatusOK, "hello", "X-Cache", "Hit")
	})
}

func TestStampedeOnARealServer(t *testing.T) {
	o := &origin{answer: slowly(says("hello"))}
	server := serve(t, newTestCache(t, Options{}).For(time.Minute)(o))
	conns := make([]*wire, 1000)
	for i := range conns {
		conns[i] = dial(t, server)
	}
	crowd(len(conns), func(i int) {
		if s := exchangeText(conns[i].get("/")); s.status != http.StatusOK || s.body != "hello" {
			t.Errorf("got %+v", s)
		}
	}).Wait()
	o.ran(t, 1)
}

// TestNoSecondRunBetweenLookAndJoin: a request that looked before a flight landed and joins after it must not run again.
func TestNoSecondRunBetweenLookAndJoin(t *testing.T) {
	const keys = 300
	o := &origin{answer: says("hello")}
	h := newTestCache(t, Options{}).For(time.Minute)(o)
	for i := range keys {
		target := "/" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		crowd(16, func(int) { get(t, h, target) }).Wait()
	}
	o.ran(t, keys)
}

// TestOnlyHitsSayHit: one that waited is a miss, also when it finds the response in the store in the end.
func TestOnlyHitsSayHit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{answer: slowly(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", "Accept-Language")
			_, _ = w.Write([]byte(r.Header.Get("Accept-Language")))
		})}
		cache := newTestCache(t, Options{})
		h := cache.For(time.Minute)(o)
		languages := []string{"de", "en", "fr"}
		crowd(90, func(i int) {
			lang := languages[i%3]
			expect(t, get(t, h, "/", "Accept-Language", lang), http.StatusOK, lang, "X-Cache", "Miss")
		}).Wait()
		o.ran(t, 3)
		if s := cache.Stats(); s.Hits != 0 || s.Misses != 90 {
			t.Errorf("%+v", s)
		}
	})
}

// TestWaiterLeaves: a waiter whose own context ends is gone at once; the run and the others are not concerned.
func TestWaiterLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{answer: slowly(says("hello"))}
		h := newTestCache(t, Options{}).For(time.Minute)(o)
		clients := crowd(2, func(int) { expect(t, get(t, h, "/"), http.StatusOK, "hello") })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), slow/3)
		defer cancel()
		began := time.Now()
		h.ServeHTTP(httptest.NewRecorder(), request(ctx, "/"))
		if took := time.Since(began); took != slow/3 {
			t.Errorf("left after %v", took)
		}
		clients.Wait()
		o.ran(t, 1)
	})
}

// TestLeaderLeaves: the fill goes on for the others, though the connection that began it is closed.
func TestLeaderLeaves(t *testing.T) {
	running, goOn := make(chan *http.Request), make(chan struct{})
	o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
		running <- r
		<-goOn
		if err := r.Context().Err(); err != nil {
			t.Errorf("the run was cancelled: %v", err)
		}
		_, _ = w.Write([]byte("hello"))
	}}
	gone := make(chan struct{})
	cached := newTestCache(t, Options{}).For(time.Minute)(o)
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		context.AfterFunc(r.Context(), func() { close(gone) })
		cached.ServeHTTP(w, r)
	}))
	leader := dial(t, server).get("/")
	<-running
	var waiters sync.WaitGroup
	for range 3 {
		waiters.Go(func() {
			w := httptest.NewRecorder()
			cached.ServeHTTP(w, request(t.Context(), "http://larder.example/"))
			expect(t, w, http.StatusOK, "hello")
		})
	}
	if err := leader.Close(); err != nil {
		t.Fatal(err)
	}
	<-gone
	close(goOn)
	waiters.Wait()
	o.ran(t, 1)
}

// TestAnswersThatMayNotBeShared run side by side: the first wave waits once for the news, later ones do not wait at all, and
// after ten seconds it is tried again.
func TestAnswersThatMayNotBeShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{answer: slowly(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Set-Cookie", "a=b")
			_, _ = w.Write([]byte("hello"))
		})}
		h := newTestCache(t, Options{}).For(time.Minute)(o)
		wave := func() time.Duration {
			began := time.Now()
			crowd(1000, func(int) {
				expect(t, get(t, h, "/"), http.StatusOK, "hello", "Set-Cookie", "a=b", "Cache-Status", "detail=set-cookie")
			}).Wait()
			return time.Since(began)
		}
		for i, want := range []time.Duration{2 * slow, slow, slow} {
			if took := wave(); took != want {
				t.Errorf("wave %d took %v, want %v", i, took, want)
			}
		}
		o.ran(t, 3000)
		time.Sleep(refusalMemory)
		if took := wave(); took != 2*slow {
			t.Errorf("after the memory ended a wave took %v", took)
		}
	})
}

// TestStoringEndsTheMemoryOfARefusal: what is stored again may be shared again, so that its fills are collapsed within the ten
// seconds as well.
func TestStoringEndsTheMemoryOfARefusal(t *testing.T) {
	for _, vary := range []string{"Accept-Encoding", "Accept-Language"} {
		synctest.Test(t, func(t *testing.T) {
			status := http.StatusOK
			o := &origin{answer: slowly(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Vary", vary)
				w.WriteHeader(status)
			})}
			h := newTestCache(t, Options{}).For(time.Second, Headers("Accept-Encoding"))(o)
			for _, status = range []int{http.StatusOK, http.StatusNotFound, http.StatusOK} {
				expect(t, get(t, h, "/"), status, "")
				time.Sleep(time.Second)
			}
			crowd(100, func(int) { expect(t, get(t, h, "/"), http.StatusOK, "", "X-Cache", "Miss") }).Wait()
			o.ran(t, 4)
		})
	}
}

// TestRefusalsOfVariants: a key with variants remembers a refusal as well.
func TestRefusalsOfVariants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{answer: slowly(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", "Accept-Language")
			if r.Header.Get("Accept-Language") == "de" {
				w.Header().Set("Cache-Control", "private")
			}
		})}
		h := newTestCache(t, Options{}).For(time.Minute)(o)
		get(t, h, "/", "Accept-Language", "en") // now it is known that the key varies
		get(t, h, "/", "Accept-Language", "de")
		began := time.Now()
		crowd(10, func(int) { get(t, h, "/", "Accept-Language", "de") }).Wait()
		if took := time.Since(began); took != slow {
			t.Errorf("took %v", took)
		}
		expect(t, get(t, h, "/", "Accept-Language", "en"), http.StatusOK, "", "X-Cache", "Hit")
	})
}

// TestErrorsAreNotRemembered: a failed answer is shared with nobody, one waiter after the other takes over, but after three
// failures all that are left run at once; and no memory is kept of it.
func TestErrorsAreNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var healthy atomic.Bool
		o := &origin{answer: slowly(func(w http.ResponseWriter, _ *http.Request) {
			if !healthy.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = w.Write([]byte("hello"))
		})}
		h := newTestCache(t, Options{}).For(time.Minute)(o)
		began := time.Now()
		crowd(1000, func(int) { expect(t, get(t, h, "/"), http.StatusServiceUnavailable, "hello") }).Wait()
		if took := time.Since(began); took != (maxFailedFlights+1)*slow {
			t.Errorf("took %v", took)
		}
		o.ran(t, 1000)
		healthy.Store(true)
		crowd(10, func(int) { expect(t, get(t, h, "/"), http.StatusOK, "hello") }).Wait()
		o.ran(t, 1001)
	})
}

// TestLongRun: every five seconds one waiter starts another run beside those that go on; whichever ends first answers all.
func TestLongRun(t *testing.T) {
	for _, test := range []struct {
		takes time.Duration
		runs  int64
	}{
		{takeover - time.Second, 1}, {takeover + time.Second, 2}, {2*takeover + time.Second, 3}, {5*takeover + time.Second, 6},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := &origin{answer: func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(test.takes)
				_, _ = w.Write([]byte("hello"))
			}}
			h := newTestCache(t, Options{}).For(time.Minute)(o)
			var last, early atomic.Int64
			began := time.Now()
			crowd(1000, func(int) {
				expect(t, get(t, h, "/"), http.StatusOK, "hello")
				last.Store(int64(time.Since(began)))
				if time.Since(began) == test.takes {
					early.Add(1)
				}
			}).Wait()
			o.ran(t, test.runs)
			if want := 1000 - test.runs + 1; early.Load() != want {
				t.Errorf("%v: %d clients had their answer when the first run ended, want %d; the last after %v",
					test.takes, early.Load(), want, time.Duration(last.Load()))
			}
		})
	}
}

// TestHungRun: the first run never gets anywhere, the second is well.
func TestHungRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		o.answer = func(w http.ResponseWriter, r *http.Request) {
			if o.runs.Load() == 1 {
				<-r.Context().Done()
				return
			}
			_, _ = w.Write([]byte("hello"))
		}
		h := newTestCache(t, Options{}).For(time.Minute)(o)
		var ok, timedOut atomic.Int64
		began := time.Now()
		crowd(100, func(int) {
			switch w := get(t, h, "/"); {
			case w.Code == http.StatusOK && time.Since(began) == takeover:
				ok.Add(1)
			case w.Code == http.StatusGatewayTimeout && time.Since(began) == defaultFillTimeout:
				timedOut.Add(1)
			}
		}).Wait()
		o.ran(t, 2)
		if ok.Load() != 99 || timedOut.Load() != 1 {
			t.Errorf("%d clients were answered after %v, %d timed out", ok.Load(), takeover, timedOut.Load())
		}
	})
}

// TestOlderRunReplacesNothing: a run that began first and ends last must not put what it read in the place of newer data.
func TestOlderRunReplacesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fragile)
		o := &origin{}
		o.answer = func(w http.ResponseWriter, _ *http.Request) {
			n := o.runs.Load()
			if n == 1 {
				time.Sleep(2 * takeover)
			}
			_, _ = w.Write([]byte{'0' + byte(n)})
		}
		h := newTestCache(t, Options{Store: f}).For(time.Minute)(o)
		crowd(3, func(int) { get(t, h, "/") }).Wait()
		expect(t, get(t, h, "/"), http.StatusOK, "2", "X-Cache", "Hit")
		o.ran(t, 2)
		synctest.Wait()
		if n := f.sets.Load(); n != 1 {
			t.Errorf("%d writes to the store", n)
		}
	})
}

// TestPurgeDuringFlight: what began before a purge is not given to those who came after it, nor kept.
func TestPurgeDuringFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var version atomic.Value
		version.Store("old")
		o := &origin{answer: func(w http.ResponseWriter, _ *http.Request) {
			v := version.Load().(string)
			time.Sleep(slow)
			_, _ = w.Write([]byte(v))
		}}
		cache := newTestCache(t, Options{})
		h := cache.For(time.Minute)(o)
		early := crowd(5, func(int) { get(t, h, "/") })
		time.Sleep(slow / 3)
		version.Store("new")
		if err := cache.Invalidate(t.Context(), Path("/")); err != nil {
			t.Fatal(err)
		}
		late := crowd(5, func(int) { expect(t, get(t, h, "/"), http.StatusOK, "new") })
		early.Wait()
		late.Wait()
		expect(t, get(t, h, "/"), http.StatusOK, "new")
	})
}

// TestPurgeIsNoStampede: those who waited for what a purge overtook share the next run, and so do those who come later. While
// purges come faster than the handler answers, each gets the first answer that was begun after it came.
func TestPurgeIsNoStampede(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{answer: slowly(says("hello"))}
		cache := newTestCache(t, Options{})
		h := cache.For(time.Minute)(o)
		purge := func() {
			time.Sleep(slow / 2)
			if err := cache.Invalidate(t.Context(), Path("/")); err != nil {
				t.Error(err)
			}
		}
		began := time.Now()
		early := crowd(100, func(int) { expect(t, get(t, h, "/"), http.StatusOK, "hello") })
		purge()
		late := crowd(100, func(int) { expect(t, get(t, h, "/"), http.StatusOK, "hello", "Cache-Status", "larder; fwd=uri-miss") })
		synctest.Wait()
		time.Sleep(slow / 2) // the second run begins
		purge()
		early.Wait()
		late.Wait()
		o.ran(t, 2)
		if took := time.Since(began); took != 2*slow {
			t.Errorf("took %v", took)
		}
		crowd(100, func(int) { get(t, h, "/") }).Wait()
		o.ran(t, 3)
		expect(t, get(t, h, "/"), http.StatusOK, "hello", "X-Cache", "Hit")
	})
}

// onLog is a slog.Handler that is called with each message.
type onLog func(message string)

func (onLog) Enabled(context.Context, slog.Level) bool        { return true }
func (f onLog) Handle(_ context.Context, r slog.Record) error { f(r.Message); return nil }
func (f onLog) WithAttrs([]slog.Attr) slog.Handler            { return f }
func (f onLog) WithGroup(string) slog.Handler                 { return f }

// TestPurgeBeforeLanding: a response that is purged after it was stored, but before those who wait are told, goes to those only
// that came before its run began.
func TestPurgeBeforeLanding(t *testing.T) {
	for name, tt := range map[string]struct {
		arrives time.Duration
		runs    int64
	}{
		"came before the run began": {0, 1},
		"came later":                {slow / 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var cache *Cache
				var once sync.Once
				cache = newTestCache(t, Options{Logger: slog.New(onLog(func(message string) {
					if message == "larder: key stored" {
						once.Do(func() { _ = cache.Invalidate(t.Context(), All()) }) // in memory, it has no errors
					}
				}))})
				o := &origin{answer: slowly(says("hello"))}
				h := cache.For(time.Minute, Param("paused", func(r *http.Request) (any, error) {
					d, err := time.ParseDuration(r.Header.Get("X-Pause"))
					time.Sleep(d)
					return 0, err
				}))(o)
				leader := crowd(1, func(int) {
					time.Sleep(slow / 4)
					get(t, h, "/", "X-Pause", "0")
				})
				time.Sleep(tt.arrives)
				expect(t, get(t, h, "/", "X-Pause", (3*slow/4-tt.arrives).String()), http.StatusOK, "hello")
				leader.Wait()
				o.ran(t, tt.runs)
			})
		})
	}
}
