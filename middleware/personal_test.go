package middleware

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// personal answers everybody with the same page, and names in a field whoever it can tell.
func personal(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Etag", `"v1"`)
	user := r.URL.Query().Get("user") + r.Header.Get("Authorization") + r.Header.Get("X-Skip")
	if c, err := r.Cookie("session"); err == nil {
		user += c.Value
	}
	switch {
	case r.Header.Get("X-Skip") != "":
		Entry(r).Skip("personal")
	case user == "":
		w.Header().Set("Cache-Control", "public")
	}
	if user != "" {
		w.Header().Set("X-User", user)
	}
	if r.Header.Get("If-None-Match") == `"v1"` {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = io.WriteString(w, "page")
}

// TestPersonalUpdates: neither a HEAD nor a 304 puts into the stored response what a fill would have kept out of it.
func TestPersonalUpdates(t *testing.T) {
	for _, tt := range []struct {
		name, method, target string
		rules                []Rule
		fields               []string
	}{
		{"a hidden cookie", http.MethodHead, "/", []Rule{Cookies("theme")}, []string{"Cookie", "session=ann"}},
		{"a hidden parameter", http.MethodHead, "/?user=ann", []Rule{Query("page")}, nil},
		{"a hidden query", http.MethodHead, "/?user=ann", []Rule{NoQuery()}, nil},
		{"what says Skip", http.MethodHead, "/", nil, []string{"X-Skip", "ann"}},
		{"credentials", http.MethodHead, "/", nil, []string{"Authorization", "ann"}},
		{"a cookie", http.MethodHead, "/", nil, []string{"Cookie", "session=ann"}},
		{"a 304 to credentials", http.MethodGet, "/", nil, []string{"Authorization", "ann"}},
		{"a 304 to a cookie", http.MethodGet, "/", nil, []string{"Cookie", "session=ann"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newTestCache(t, Options{}).For(time.Second, tt.rules...)(http.HandlerFunc(personal))
				get(t, h, "/")
				time.Sleep(2 * time.Second)
				r, w := request(t.Context(), tt.target, tt.fields...), httptest.NewRecorder()
				r.Method = tt.method
				h.ServeHTTP(w, r)
				if got := w.Header().Get("X-User"); got != "ann" {
					t.Errorf("ann is called %q", got)
				}
				expect(t, get(t, h, "/"), http.StatusOK, "page", "X-User", "")
			})
		})
	}
}
