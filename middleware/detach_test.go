package middleware

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
)

// hasty is an outer middleware that leaves a handler alone which takes more than a second.
func hasty(next http.Handler) http.Handler { return http.TimeoutHandler(next, time.Second, "late") }

// TestRouteParametersBehindTimeoutHandler: chi gives its routing context to the next request as soon as one was answered, be it by a
// middleware that did not wait for the handler. What that one answers in the end is stored, and must not be another user's page.
func TestRouteParametersBehindTimeoutHandler(t *testing.T) {
	page := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"v1"`)
		w.Header().Set("X-Page", chi.URLParam(r, "id"))
		if r.Header.Get("X-Slow") != "" {
			time.Sleep(2 * time.Second)
			w.Header().Set("X-Page", chi.URLParam(r, "id"))
		}
		if r.Method != http.MethodHead {
			_, _ = io.WriteString(w, "page of "+chi.URLParam(r, "id"))
		}
	}
	for name, method := range map[string]string{"fill": "", "beside stale": http.MethodGet, "HEAD": http.MethodHead} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				router := chi.NewRouter()
				router.With(hasty, newTestCache(t, Options{}).For(5*time.Second, StaleIfError(time.Hour))).HandleFunc("/users/{id}", page)
				router.Get("/others/{id}", func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) })
				if method != "" {
					get(t, router, "/users/ann")
					time.Sleep(6 * time.Second)
				}
				r := request(t.Context(), "/users/ann", "X-Slow", "1")
				if method != "" {
					r.Method = method
				}
				router.ServeHTTP(httptest.NewRecorder(), r)
				go get(t, router, "/others/bob")
				time.Sleep(3 * time.Second)
				expect(t, get(t, router, "/users/ann"), http.StatusOK, "page of ann", "X-Page", "ann", "X-Cache", "Hit")
				time.Sleep(time.Hour)
			})
		})
	}
}

// TestNothingIsFilledForAnOtherRoute: where the request is over before the run begins, its routing context may be another one's.
func TestNothingIsFilledForAnOtherRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{answer: says("hello")}
		h := newTestCache(t, Options{}).For(time.Second, Stale(time.Minute), StaleIfError(time.Hour))(o)
		ctx := context.WithValue(t.Context(), chi.RouteCtxKey, chi.NewRouteContext())
		over, cancel := context.WithTimeout(ctx, time.Hour) // as http.TimeoutHandler has it
		cancel()
		ask := func(ctx context.Context) { h.ServeHTTP(httptest.NewRecorder(), request(ctx, "/")) }
		for _, pause := range []time.Duration{0, 2 * time.Second, time.Minute} { // nothing stored, a refresh, a run beside stale
			time.Sleep(pause)
			before := o.runs.Load()
			ask(over)
			synctest.Wait()
			o.ran(t, before)
			ask(ctx)
			synctest.Wait()
			o.ran(t, before+1)
		}
	})
}

// TestOuterMiddlewaresSeeTheRoute: metrics and logs name a request by the route that was found inside of the cache.
func TestOuterMiddlewaresSeeTheRoute(t *testing.T) {
	router := chi.NewRouter()
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			routing := chi.RouteContext(r.Context())
			if got := routing.RoutePattern() + " " + routing.URLParam("id"); got != "/users/{id} ann" {
				t.Errorf("got %q", got)
			}
		})
	}, newTestCache(t, Options{}).For(time.Minute))
	router.Route("/users", func(r chi.Router) { r.Get("/{id}", says("hello")) })
	get(t, router, "/users/ann")
}

// TestSecondAttemptBehindARouter: a handler that is asked again without conditions is found on the same way as before.
func TestSecondAttemptBehindARouter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		router := chi.NewRouter()
		router.Use(newTestCache(t, Options{}).FromHeaders())
		router.Route("/users", func(r chi.Router) {
			r.Get("/{id}", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=1")
				if r.Header.Get("If-None-Match") != "" {
					w.Header().Set("Etag", `"other"`)
					w.WriteHeader(http.StatusNotModified)
					return
				}
				w.Header().Set("Etag", `"v1"`)
				_, _ = io.WriteString(w, "page of "+chi.URLParam(r, "id"))
			})
		})
		for range 2 {
			expect(t, get(t, router, "/users/ann"), http.StatusOK, "page of ann", "X-Cache", "Miss")
			time.Sleep(2 * time.Second)
		}
	})
}
