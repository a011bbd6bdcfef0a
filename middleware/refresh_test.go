package middleware

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
)

// TestExpiryUnderLoad: a thousand requests for a response that has just expired are served at once, and one of them refreshes it.
func TestExpiryUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := versions("", slowly(says("new")))
		h := newTestCache(t, Options{}).For(time.Second, Stale(time.Minute))(o)
		get(t, h, "/")
		time.Sleep(10 * time.Second)
		began := time.Now()
		crowd(1000, func(int) {
			expect(t, get(t, h, "/"), http.StatusOK, "1", "X-Cache", "Hit", "Cache-Status", "larder; hit; ttl=-9")
		}).Wait()
		if took := time.Since(began); took != 0 {
			t.Errorf("took %v", took)
		}
		synctest.Wait()
		o.ran(t, 2)
		time.Sleep(slow)
		synctest.Wait()
		expect(t, get(t, h, "/"), http.StatusOK, "new", "X-Cache", "Hit", "Cache-Status", "larder; hit; ttl=1")
		o.ran(t, 2)
	})
}

// TestRefreshesAreBounded: however many keys expire at once, so many handlers run in the background and no more.
func TestRefreshesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
			if w.(*recorder).w == nil {
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				time.Sleep(slow)
			}
			_, _ = io.WriteString(w, r.URL.Path)
		}}
		h := newTestCache(t, Options{}).For(time.Second, Stale(time.Hour))(o)
		const keys = 3 * maxRefreshes
		ask := func() {
			for i := range keys {
				expect(t, get(t, h, "/"+strconv.Itoa(i)), http.StatusOK, "/"+strconv.Itoa(i))
			}
		}
		ask()
		time.Sleep(time.Minute)
		ask()
		synctest.Wait()
		if most.Load() != maxRefreshes {
			t.Errorf("%d refreshes at a time", most.Load())
		}
		for range 2 {
			time.Sleep(slow)
			synctest.Wait()
			ask()
		}
		time.Sleep(slow)
		o.ran(t, 2*keys)
	})
}

// TestWhatARefreshSends: a refresh is nobody's in particular, unless the entry is somebody's.
func TestWhatARefreshSends(t *testing.T) {
	user := func(r *http.Request) string { return r.Header.Get("Authorization") }
	cases := []struct {
		name  string
		rules []Rule
		want  string
	}{
		{"plain", []Rule{Public()}, ""},
		{"keyed by the field", []Rule{Headers("Authorization")}, "Authorization=me Cookie=a=1; b=2"},
		{"keyed by a cookie", []Rule{Public(), Cookies("a")}, "Cookie=a=1"},
		{"per user", []Rule{PerUser(user)}, "Authorization=me Cookie=a=1; b=2"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen http.Header
				o := versions("", func(_ http.ResponseWriter, r *http.Request) { seen = r.Header.Clone() })
				if test.name == "keyed by the field" { // it leaves cookies as strict as ever
					test.rules = append(test.rules, Cookies("a", "b"))
				}
				h := newTestCache(t, Options{}).For(time.Second, append(test.rules, Stale(time.Minute))...)(o)
				fields := []string{
					"Authorization", "me", "Cookie", "a=1; b=2", "If-None-Match", `"x"`, "If-Modified-Since", "Sat, 01 Jan 2000 00:00:00 GMT",
					"Range", "bytes=0-1", "If-Range", `"x"`, "Cache-Control", "max-age=0", "Pragma", "x", "X-Other", "kept",
				}
				get(t, h, "/", fields...)
				time.Sleep(10 * time.Second)
				get(t, h, "/", fields...)
				synctest.Wait()
				var got []string
				for _, name := range []string{"Authorization", "Cookie", "If-None-Match", "If-Modified-Since", "Range", "If-Range", "Cache-Control", "Pragma"} {
					if v := seen.Get(name); v != "" {
						got = append(got, name+"="+v)
					}
				}
				if strings.Join(got, " ") != test.want || seen.Get("X-Other") != "kept" {
					t.Errorf("the handler saw %q and %v", got, seen)
				}
			})
		})
	}
}

// TestFailedRefresh: whatever goes wrong, the stale response stays, and refreshes are tried ever more rarely.
func TestFailedRefresh(t *testing.T) {
	cases := map[string]func(http.ResponseWriter, *http.Request){
		"500":              func(w http.ResponseWriter, _ *http.Request) { w.Header().Del("Cache-Control"); w.WriteHeader(500) },
		"501":              func(w http.ResponseWriter, _ *http.Request) { w.Header().Del("Cache-Control"); w.WriteHeader(501) },
		"panic":            func(http.ResponseWriter, *http.Request) { panic("boom") },
		"abort":            func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"time-out":         func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"time-out, answer": func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done(); _, _ = io.WriteString(w, "late") },
		"cut short":        lessThanDeclared,
	}
	for name, fails := range cases {
		for _, control := range []string{"", "max-age=1, stale-while-revalidate=3600"} {
			t.Run(name+" "+control, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cache := newTestCache(t, Options{FillTimeout: time.Millisecond})
					o := versions(control, func(w http.ResponseWriter, r *http.Request) {
						if control != "" {
							w.Header().Set("Cache-Control", control)
						}
						fails(w, r)
					})
					h := cache.For(time.Second, Stale(time.Hour))(o)
					if control != "" {
						h = cache.FromHeaders()(o)
					}
					get(t, h, "/")
					time.Sleep(10 * time.Second)
					for range 60 * 10 { // ten requests a second for a minute
						expect(t, get(t, h, "/"), http.StatusOK, "1", "X-Cache", "Hit")
						time.Sleep(100 * time.Millisecond)
					}
					if n := o.runs.Load() - 1; n < 5 || n > 7 { // at 0, 1, 3, 7, 15 and 31 seconds and at most once more
						t.Errorf("%d refreshes in a minute", n)
					}
				})
			})
		}
	}
}

// TestFailedRefreshWithoutMemory: refreshes get rarer also where no request finds what the one before it has found.
func TestFailedRefreshWithoutMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := versions("", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		h := newTestCache(t, Options{Store: new(fragile), MemoryBytes: -1}).For(time.Second, Stale(time.Hour))(o)
		get(t, h, "/")
		time.Sleep(10 * time.Second)
		for range 60 {
			expect(t, get(t, h, "/"), http.StatusOK, "1", "X-Cache", "Hit")
			time.Sleep(time.Second)
		}
		if n := o.runs.Load() - 1; n < 5 || n > 7 {
			t.Errorf("%d refreshes in a minute", n)
		}
	})
}

// TestRefreshThatIsNotStored: an answer that takes the place of what is stored, but may not be stored itself, ends it.
func TestRefreshThatIsNotStored(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"404":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"set-cookie": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Set-Cookie", "a=b") },
		"no-store":   func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "no-store") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := versions("", answer)
				h := newTestCache(t, Options{}).For(time.Second, Stale(time.Hour))(o)
				get(t, h, "/")
				time.Sleep(10 * time.Second)
				expect(t, get(t, h, "/"), http.StatusOK, "1")
				synctest.Wait()
				if w := get(t, h, "/"); w.Body.String() == "1" {
					t.Error("the old response is still served")
				}
			})
		})
	}
}

// TestStreamedRefresh: nobody is there to stream to, so a handler that flushes (a ReverseProxy does) is stored all the same.
func TestStreamedRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := versions("max-age=1, stale-while-revalidate=3600", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.WriteHeader(http.StatusEarlyHints)
			if _, _, err := http.NewResponseController(w).Hijack(); err == nil {
				t.Error("nobody's connection was hijacked")
			}
			if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err == nil {
				t.Error("nobody's deadline was set")
			}
			flushed(w, r)
		})
		h := newTestCache(t, Options{}).FromHeaders()(o)
		get(t, h, "/")
		time.Sleep(10 * time.Second)
		get(t, h, "/")
		synctest.Wait()
		expect(t, get(t, h, "/"), http.StatusOK, "hello", "X-Cache", "Hit")
		o.ran(t, 2)
	})
}

// TestRefreshByValidation: a 304 freshens what is stored; one that is about something else makes the refresh ask again.
func TestRefreshByValidation(t *testing.T) {
	for _, tag := range []string{`"v1"`, `"v2"`} {
		synctest.Test(t, func(t *testing.T) {
			o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=2, stale-while-revalidate=60")
				w.Header().Set("Etag", `"v1"`)
				if r.Header.Get("If-None-Match") != "" {
					w.Header().Set("Etag", tag)
					w.WriteHeader(http.StatusNotModified)
					return
				}
				if err := r.Context().Err(); err != nil {
					t.Errorf("asked again with an ended context: %v", err)
				}
				_, _ = io.WriteString(w, "hello")
			}}
			h := newTestCache(t, Options{}).FromHeaders()(o)
			get(t, h, "/")
			time.Sleep(10 * time.Second)
			get(t, h, "/")
			synctest.Wait()
			expect(t, get(t, h, "/"), http.StatusOK, "hello", "X-Cache", "Hit", "Cache-Status", "larder; hit; ttl=2")
			want := int64(2)
			if tag != `"v1"` {
				want = 3
			}
			o.ran(t, want)
		})
	}
}

// TestRouteParametersInTheBackground: chi gives its routing context to the next request as soon as one has returned. What a
// refresh, or a run whose client has left, reads of its own must not change.
func TestRouteParametersInTheBackground(t *testing.T) {
	cache := newTestCache(t, Options{})
	var background atomic.Int64
	handler := func(w http.ResponseWriter, r *http.Request) {
		if w.(*recorder).w == nil {
			background.Add(1)
		}
		for range 20 {
			if id := chi.URLParam(r, "id"); "/chi/"+id != r.URL.Path || r.PathValue("id") != id || chi.RouteContext(r.Context()).RoutePattern() != "/chi/{id}" {
				t.Errorf("%s: URLParam %q, PathValue %q", r.URL.Path, id, r.PathValue("id"))
			}
			time.Sleep(10 * time.Microsecond)
		}
		_, _ = io.WriteString(w, r.URL.Path)
	}
	router := chi.NewRouter()
	router.With(cache.For(time.Millisecond, Stale(time.Hour))).Get("/chi/{id}", handler)
	router.Get("/other/{id}/{more}", func(http.ResponseWriter, *http.Request) {})
	crowd(8, func(n int) {
		for i := range 400 {
			id := strconv.Itoa(n*100 + i%20)
			w := httptest.NewRecorder()
			ctx, leave := context.WithTimeout(t.Context(), time.Duration(i%3)*100*time.Microsecond+time.Nanosecond)
			if i%5 != 0 {
				ctx = t.Context()
			}
			router.ServeHTTP(w, request(ctx, "/chi/"+id))
			leave()
			if w.Code == http.StatusOK && w.Body.String() != "/chi/"+id {
				t.Errorf("got %q for %s", w.Body, id)
			}
			router.ServeHTTP(httptest.NewRecorder(), request(t.Context(), fmt.Sprintf("/other/%d/x", i)))
		}
	}).Wait()
	eventually(t, "all refreshes end", func() bool { return cache.refreshing.Load() == 0 })
	if background.Load() == 0 {
		t.Error("no refresh ran")
	}
}

// TestHEADRefreshesNothing: a HEAD is answered while a response is stale, but what its handler would answer has no content to be stored.
func TestHEADRefreshesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodHead {
				_, _ = io.WriteString(w, "hello")
			}
		}}
		h := newTestCache(t, Options{}).For(time.Second, Stale(time.Hour), RefreshAhead())(o)
		get(t, h, "/")
		time.Sleep(2 * time.Second)
		w, r := httptest.NewRecorder(), request(t.Context(), "/")
		r.Method = http.MethodHead
		h.ServeHTTP(w, r)
		expect(t, w, http.StatusOK, "", "X-Cache", "Hit", "Content-Length", "5")
		synctest.Wait()
		o.ran(t, 1)
		expect(t, get(t, h, "/"), http.StatusOK, "hello", "X-Cache", "Hit")
	})
}

// TestHEADWithoutWriteHeader: a handler that leaves it to the server to say 200 has answered a HEAD as well.
func TestHEADWithoutWriteHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", `"a"`)
			if r.Method != http.MethodHead {
				_, _ = io.WriteString(w, "hello")
			}
		}}
		h := newTestCache(t, Options{}).For(time.Second, StaleIfError(time.Hour))(o)
		get(t, h, "/")
		time.Sleep(2 * time.Second)
		w, r := httptest.NewRecorder(), request(t.Context(), "/")
		r.Method = http.MethodHead
		h.ServeHTTP(w, r)
		expect(t, w, http.StatusOK, "", "Cache-Status", "larder; fwd=stale")
		o.ran(t, 2)
		expect(t, get(t, h, "/"), http.StatusOK, "hello", "X-Cache", "Hit")
	})
}
