package middleware

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
)

// TestSameNameAtOnce: two routes with one name are a mistake. Their requests may wait for each other, but neither validates nor
// replaces its own answer with what the other one has stored.
func TestSameNameAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		route := newTestCache(t, Options{}).For(time.Hour, Name("item"), StaleIfError(time.Hour))
		page := func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", `"v1"`)
			if r.Header.Get("If-None-Match") == `"v1"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			time.Sleep(time.Second)
			_, _ = io.WriteString(w, "page of "+r.URL.Path)
		}
		router := chi.NewRouter()
		router.With(route).Get("/ann/{id}", page)
		router.With(route).Get("/bob/{id}", page)
		router.With(route).Get("/broken/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		for _, tt := range []struct {
			first, path string
			status      int
			body        string
		}{
			{"/ann/1", "/bob/1", http.StatusOK, "page of /bob/1"},
			{"/ann/2", "/broken/2", http.StatusInternalServerError, ""},
		} {
			first := crowd(1, func(int) { get(t, router, tt.first) })
			time.Sleep(time.Millisecond)
			expect(t, get(t, router, tt.path), tt.status, tt.body)
			first.Wait()
		}
	})
}
