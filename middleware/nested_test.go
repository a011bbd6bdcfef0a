package middleware_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

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

// TestMaskedRefresh: a refresh goes without the client's credentials, but an outer middleware has told the handler who asks. A cache
// around the route knows what it took away; one of the route must not take the answer for everybody's.
func TestMaskedRefresh(t *testing.T) {
	type who struct{}
	known := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user := r.Header.Get("Authorization") + r.Header.Get("Cookie")
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), who{}, user)))
		})
	}
	for _, field := range []string{"Authorization", "Cookie"} {
		for name, rule := range map[string]larder.Rule{
			"plain": larder.Name("plain"), "credentials in the key": larder.Headers("Authorization"), "cookies in the key": larder.Cookies("session"),
		} {
			t.Run(field+", "+name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := openCache(t, larder.Options{})
					h := known(c.FromHeaders()(c.For(time.Minute, rule)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						user := r.Context().Value(who{}).(string)
						if user == "" {
							w.Header().Set("Cache-Control", "public, max-age=1, stale-while-revalidate=600")
							larder.Entry(r).TTL(time.Second)
						}
						write(w, "page of "+user)
					}))))
					ask(t, h, "/")
					time.Sleep(5 * time.Second)
					ask(t, h, "/", field+": session=ann") // stale, and refreshed in ann's name
					synctest.Wait()
					for range 2 {
						time.Sleep(15 * time.Second)
						if got := ask(t, h, "/"); got.body != "page of " {
							t.Errorf("nobody got %v", got)
						}
					}
				})
			})
		}
	}
}
