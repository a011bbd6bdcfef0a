package middleware

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestSchemes: a redirect from http to https never answers the https request, however the handler gets to know the scheme.
func TestSchemes(t *testing.T) {
	toSecure := func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil && r.URL.Scheme != "https" {
			http.Redirect(w, r, "https://"+r.Host+r.URL.Path, http.StatusMovedPermanently)
			return
		}
		_, _ = io.WriteString(w, "secure")
	}
	for name, rules := range map[string][]Rule{"plain": nil, "any host": {AnyHost()}, "any host, named": {AnyHost(), Name("a")}} {
		for how, set := range map[string]func(*http.Request){
			"TLS":                   func(r *http.Request) { r.TLS = new(tls.ConnectionState) },
			"absolute-form":         func(r *http.Request) { r.RequestURI, r.URL.Scheme = "https://example.com/", "https" },
			"an outer middleware's": func(r *http.Request) { r.URL.Scheme = "https" },
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				h := newTestCache(t, Options{}).For(time.Hour, rules...)(http.HandlerFunc(toSecure))
				for range 2 {
					if w := get(t, h, "/"); w.Code != http.StatusMovedPermanently {
						t.Errorf("plain: %d", w.Code)
					}
					r, w := request(t.Context(), "/"), httptest.NewRecorder()
					set(r)
					h.ServeHTTP(w, r)
					expect(t, w, http.StatusOK, "secure")
				}
			})
		}
	}
}

// TestUserinfoPassesBy: absolute-form may hold a name and a password (RFC 9112 §3.2.2, RFC 9110 §4.2.4).
func TestUserinfoPassesBy(t *testing.T) {
	h := newTestCache(t, Options{}).For(time.Hour)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "page of "+r.URL.User.Username())
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request(t.Context(), "http://ann:secret@example.com/"))
	expect(t, w, http.StatusOK, "page of ann", "Cache-Status", "larder; fwd=bypass; detail=userinfo")
	expect(t, get(t, h, "/"), http.StatusOK, "page of ", "X-Cache", "Miss")
}
