package middleware_test

import (
	"net/http"
	"testing"

	larder "github.com/larderhq/larder/middleware"
)

// TestCacheAroundPersonalRoutes: what a route does not store, and so has not marked as one user's, a cache around it keeps for nobody else.
func TestCacheAroundPersonalRoutes(t *testing.T) {
	named := func(r *http.Request) string { return r.Header.Get("X-User") }
	for what, inner := range map[string][]larder.Rule{
		"PerUser": {larder.PerUser(named), larder.Budget(1)},
		"Headers": {larder.Headers("X-User"), larder.Budget(1)},
		"Skip":    {larder.Name("says")},
	} {
		for why, early := range map[string]http.HandlerFunc{
			"budget": func(http.ResponseWriter, *http.Request) {},
			"skip":   func(_ http.ResponseWriter, r *http.Request) { larder.Entry(r).Skip("") },
			"status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
			"flush":  func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() },
		} {
			if what == "Skip" && why != "skip" {
				continue
			}
			c := openCache(t, larder.Options{})
			h := c.OneHour(inner...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				early(w, r)
				write(w, "page of "+named(r))
			}))
			for around, h := range map[string]http.Handler{
				"For": c.OneHour()(h), "FromHeaders": c.FromHeaders()(h), "Public": c.OneHour(larder.Public())(h), "two": c.OneDay()(c.OneHour()(h)),
			} {
				for _, user := range []string{"ann", "bob", "eve", "ann"} {
					if got := ask(t, h, "/"+around, "X-User: "+user); got.body != "page of "+user {
						t.Errorf("%s, %s, %s: %s got %v", what, why, around, user, got)
					}
				}
			}
		}
	}
}

// TestCachesAroundOneUser: both may keep what both keep for one user.
func TestCachesAroundOneUser(t *testing.T) {
	rule := larder.PerUser(func(r *http.Request) string { return r.Header.Get("X-User") })
	h := openCache(t, larder.Options{}).OneHour(rule)(openCache(t, larder.Options{}).OneHour(rule)(new(counted)))
	ask(t, h, "/", "X-User: ann")
	expectFields(t, ask(t, h, "/", "X-User: ann"), "X-Cache: Hit")
}
