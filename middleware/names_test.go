package middleware

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// byHand answers with fields that are put into the map as they are.
func byHand(fields ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(fields); i += 2 {
			w.Header()[fields[i]] = append(w.Header()[fields[i]], fields[i+1])
		}
		_, _ = io.WriteString(w, "hello")
	}
}

// TestNamesByHandForbidStoring: net/http sends a name that is not canonical as it is, so that it means to clients what it says.
func TestNamesByHandForbidStoring(t *testing.T) {
	for _, test := range []struct{ name, value, detail string }{
		{"set-cookie", "user=1", "set-cookie"},
		{"SET-COOKIE", "user=1", "set-cookie"},
		{"cache-control", "no-store", "no-store"},
		{"cache-control", "private", "private"},
		{"cdn-cache-control", "no-store", "no-store"},
		{"vary", "*", "vary"},
		{"trailer", "X-Sum", "trailer"},
	} {
		for _, outer := range []string{"", "X-Outer"} {
			o := &origin{answer: byHand("Cache-Control", "max-age=60", test.name, test.value)}
			cache := newTestCache(t, Options{})
			for _, h := range []http.Handler{cache.For(time.Minute)(o), cache.FromHeaders()(o)} {
				h = outside(outer, h)
				for range 2 {
					expect(t, get(t, h, "/"+test.name), http.StatusOK, "hello", "Cache-Status", "larder; fwd=uri-miss; detail="+test.detail)
				}
			}
			o.ran(t, 4)
		}
	}
}

// outside sets a field, as is, in front of what it wraps.
func outside(name string, next http.Handler) http.Handler {
	if name == "" {
		return next
	}
	n := 0
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header()[name] = []string{fmt.Sprint(n)}
		next.ServeHTTP(w, r)
	})
}

// TestNamesByHand: fields that are stored are one with those of the canonical name, and those of outer middlewares stay theirs.
func TestNamesByHand(t *testing.T) {
	o := &origin{answer: byHand("ETag", `"v1"`, "content-type", "text/x", "x-two", "a", "X-Two", "b")}
	server := serve(t, outside("x-request-id", newTestCache(t, Options{}).For(time.Minute)(o)))
	for i := range 3 {
		got := exchangeText(dial(t, server).get("/"))
		for name, want := range map[string][]string{
			"Etag": {`"v1"`}, "Content-Type": {"text/x"}, "X-Two": {"b", "a"}, "X-Request-Id": {fmt.Sprint(i + 1)},
		} {
			if values := got.header[name]; fmt.Sprint(values) != fmt.Sprint(want) {
				t.Errorf("%d: %s: %q, want %q", i, name, values, want)
			}
		}
	}
	o.ran(t, 1)
}
