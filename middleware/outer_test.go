package middleware

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// dressed is an outer middleware that gives each response fields of its own request.
func dressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", r.Header.Get("X-Who"))
		w.Header().Add("Set-Cookie", "csrf="+r.Header.Get("X-Who"))
		w.Header().Set("Vary", "Origin")
		w.Header().Set("X-Powered-By", "outer")
		next.ServeHTTP(w, r)
	})
}

// TestOuterFieldsOfARunBesideStale: a run that may outlive its request has a header map of its own. What outer middlewares had set
// for its request is no more the handler's there than in any other run.
func TestOuterFieldsOfARunBesideStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{answer: says("hello")}
		h := dressed(newTestCache(t, Options{}).For(time.Second, StaleIfError(time.Hour), Public())(o))
		get(t, h, "/", "X-Who", "eve")
		time.Sleep(2 * time.Second)
		expect(t, get(t, h, "/", "X-Who", "ann"), http.StatusOK, "hello", "X-Cache", "Miss", "X-Request-Id", "ann", "Set-Cookie", "csrf=ann")
		expect(t, get(t, h, "/", "X-Who", "bob"), http.StatusOK, "hello", "X-Cache", "Hit", "X-Request-Id", "bob", "Set-Cookie", "csrf=bob")
		o.ran(t, 2)
	})
}
