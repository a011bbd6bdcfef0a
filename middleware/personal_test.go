package middleware

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
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

// TestPrivateOverTargetedFields: no shared cache downstream keeps what is one user's, whichever targeted field the handler has said it in.
func TestPrivateOverTargetedFields(t *testing.T) {
	targets := []string{"CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control", "X-Edge"}
	answer := func(w http.ResponseWriter, r *http.Request) {
		for _, name := range targets {
			w.Header().Set(name, "max-age=60")
		}
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "page of "+r.Header.Get("X-User"))
		if r.Header.Get("X-Flush") != "" {
			w.(http.Flusher).Flush()
		}
	}
	cache := newTestCache(t, Options{Targets: targets})
	user := PerUser(func(r *http.Request) string { return r.Header.Get("X-User") })
	for _, h := range []http.Handler{cache.For(time.Hour, user)(http.HandlerFunc(answer)), cache.FromHeaders(user, Name("flushed"))(http.HandlerFunc(answer))} {
		for _, want := range []string{"Miss", "Hit"} {
			w := get(t, h, "/", "X-User", "ann", "X-Flush", map[bool]string{true: "1"}[h.(*route).fromHeaders])
			expect(t, w, http.StatusOK, "page of ann", "X-Cache", want, "Cache-Control", "private, max-age=60")
			for _, name := range targets {
				expect(t, w, http.StatusOK, "page of ann", name, "")
			}
		}
	}
}

// TestRefusedRangeIsKeptByNobody: no shared cache downstream is told that it may keep a 416, whichever targeted field the handler says it in.
func TestRefusedRangeIsKeptByNobody(t *testing.T) {
	targets := []string{"Cache-Control", "CDN-Cache-Control", "Surrogate-Control", "X-Edge"}
	h := newTestCache(t, Options{Targets: targets[1:]}).For(time.Hour)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range targets {
			w.Header().Set(name, "max-age=60")
		}
		_, _ = io.WriteString(w, "hello")
	}))
	for range 2 {
		w := get(t, h, "/", "Range", "bytes=9-")
		for _, name := range targets {
			expect(t, w, http.StatusRequestedRangeNotSatisfiable, "", name, "")
		}
	}
}

// TestHEADOfATaggedRoute: what a HEAD freshens is tagged anew, with the path values of its own request.
func TestHEADOfATaggedRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Options{})
		mux := http.NewServeMux()
		mux.Handle("GET /items/{id}", c.For(time.Second, Tags("item:{id}"))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Etag", `"v1"`)
		})))
		get(t, mux, "/items/1")
		time.Sleep(2 * time.Second)
		r := request(t.Context(), "/items/1")
		r.Method = http.MethodHead
		mux.ServeHTTP(httptest.NewRecorder(), r)
		expect(t, get(t, mux, "/items/1"), http.StatusOK, "", "X-Cache", "Hit")
		if err := c.Invalidate(t.Context(), Tag("item:1")); err != nil {
			t.Fatal(err)
		}
		expect(t, get(t, mux, "/items/1"), http.StatusOK, "", "X-Cache", "Miss")
	})
}

// TestPerUserVaries: what a browser keeps of one user's page is not for the next one who logs in there.
func TestPerUserVaries(t *testing.T) {
	user := PerUser(func(r *http.Request) string { return r.Header.Get("X-User") })
	h := newTestCache(t, Options{}).For(time.Hour, user, Cookies("theme"), Headers("Accept"))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "page")
	}))
	for _, want := range []string{"Miss", "Hit"} {
		w := get(t, h, "/", "X-User", "ann")
		expect(t, w, http.StatusOK, "page", "X-Cache", want)
		if got := w.Header()["Vary"]; !slices.Equal(got, []string{"Accept", "Authorization", "Cookie"}) {
			t.Errorf("Vary is %q", got)
		}
	}
}

// TestCDNKeepsNoWithheldFields: a field that no-cache or private names goes to one client; a CDN that obeys our targeted field, and so
// ignores Cache-Control, must not keep it for others.
func TestCDNKeepsNoWithheldFields(t *testing.T) {
	for name, said := range map[string][2]string{
		"Cache-Control":     {"Cache-Control", `max-age=60, private="X-User"`},
		"Cdn-Cache-Control": {"Cdn-Cache-Control", `max-age=60, no-cache="x-user"`},
	} {
		t.Run(name, func(t *testing.T) {
			answer := func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set(said[0], said[1])
				w.Header().Set("X-User", r.Header.Get("X-User"))
				_, _ = io.WriteString(w, "page")
			}
			inner := newTestCache(t, Options{}).FromHeaders(CDN(time.Hour))(http.HandlerFunc(answer))
			downstream := newTestCache(t, Options{}).FromHeaders()(inner)
			expect(t, get(t, downstream, "/", "X-User", "ann"), http.StatusOK, "page", "X-User", "ann", "Cdn-Cache-Control", `max-age=3600, no-cache="X-User"`)
			expect(t, get(t, downstream, "/", "X-User", "bob"), http.StatusOK, "page", "X-Cache", "Hit", "X-User", "")
		})
	}
}
