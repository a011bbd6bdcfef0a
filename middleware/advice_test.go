package middleware_test

import (
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
	larder "github.com/larderhq/larder/middleware"
)

// A tag with a wildcard that the route lacks is one that no purge names, and nothing else would tell.
func TestAdviceOnWildcardsOfTags(t *testing.T) {
	page := func(w http.ResponseWriter, _ *http.Request) { write(w, "page") }
	for name, tt := range map[string]struct {
		wire  func(*larder.Cache, chi.Router)
		lines int
	}{
		"right": {func(c *larder.Cache, r chi.Router) {
			r.With(c.OneHour(larder.Tags("all", "item:{id}"))).Get("/{id}", page)
		}, 0},
		"of another name": {func(c *larder.Cache, r chi.Router) {
			r.With(c.OneHour(larder.Tags("item:{id}"))).Get("/{item}", page)
		}, 1},
		"around the router": {func(c *larder.Cache, r chi.Router) {
			r.Use(c.OneHour(larder.Tags("item:{id}")))
			r.Get("/{id}", page)
		}, 0},
		"of a write": {func(c *larder.Cache, r chi.Router) {
			r.With(c.Invalidates("item:{id}")).Put("/{item}", page)
		}, 1},
	} {
		var log journal
		r := chi.NewRouter()
		tt.wire(openCache(t, larder.Options{Logger: log.logger()}), r)
		for _, path := range []string{"/1", "/2"} {
			ask(t, r, path)
			ask(t, r, "PUT "+path)
		}
		if n := log.count("level=WARN", "a wildcard of a tag has no value", "wildcard=id", "cure="); n != tt.lines {
			t.Errorf("%s: %d lines in\n%s", name, n, log.String())
		}
	}
}

// A cookie of an outer middleware keeps pages from being stored whose handler sets none: the log says so, and what to say.
func TestAdviceOnCookiesOfOuterMiddlewares(t *testing.T) {
	for name, tt := range map[string]struct {
		rules []larder.Rule
		lines int
	}{"strict": {nil, 1}, "vouched for": {[]larder.Rule{larder.Public()}, 0}} {
		var log journal
		c := openCache(t, larder.Options{Logger: log.logger()})
		h := outside(c.OneHour(tt.rules...)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { write(w, "page") })),
			func(h http.Header) { h.Set("Set-Cookie", "csrf=1") })
		for _, path := range []string{"/1", "/2"} {
			ask(t, h, path)
		}
		if n := log.count("level=INFO", "given a cookie by a middleware outside", "route=", "cure="); n != tt.lines {
			t.Errorf("%s: %d lines in\n%s", name, n, log.String())
		}
	}
}
