package middleware_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	larder "github.com/larderhq/larder/middleware"
)

// bubble runs f where time passes when everybody sleeps. It begins at midnight, UTC, of 1 January 2000.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

const (
	second0  = "Sat, 01 Jan 2000 00:00:00 GMT"
	second1  = "Sat, 01 Jan 2000 00:00:01 GMT"
	second30 = "Sat, 01 Jan 2000 00:00:30 GMT"
	hour1    = "Sat, 01 Jan 2000 01:00:00 GMT"
)

// TestEmittedFields is the table of what clients see, one second into the entry's life for hits.
func TestEmittedFields(t *testing.T) {
	user := func(*http.Request) string { return "ann" }
	for _, tt := range []struct {
		name    string
		ttl     time.Duration
		rules   []larder.Rule
		handler *counted
		fill    []string
		hit     []string
	}{
		{
			"ours", 30 * time.Second, nil, answering(200, "hello"),
			[]string{
				"Cache-Control: max-age=30", "Expires: " + second30, "Date: " + second0, "Age:", `Etag: W/"26c7827d889f6da3"`,
				"X-Cache: Miss", "Cache-Status: larder; fwd=uri-miss; stored", "Vary:", "Cdn-Cache-Control:", "Content-Length: 5",
			},
			[]string{
				"Cache-Control: max-age=29", "Expires: " + second30, "Date: " + second1, "Age:", `Etag: W/"26c7827d889f6da3"`,
				"X-Cache: Hit", "Cache-Status: larder; hit; ttl=29", "Vary:", "Cdn-Cache-Control:", "Content-Length: 5",
			},
		},
		{
			"ours beside the handler's", time.Hour, nil, answering(200, "hello", "Cache-Control: public", "Cache-Control: no-transform"),
			[]string{"Cache-Control: public, no-transform, max-age=3600", "Expires: " + hour1},
			[]string{"Cache-Control: public, no-transform, max-age=3599", "Expires: " + hour1},
		},
		{
			"more than a year", 10 * larder.OneYear, nil, answering(200, "hello"),
			[]string{"Cache-Control: max-age=31536000", "Expires: Sun, 31 Dec 2000 00:00:00 GMT"},
			[]string{"Cache-Control: max-age=31535999", "Expires: Sun, 31 Dec 2000 00:00:00 GMT"},
		},
		{
			"the handler's own lifetime", time.Hour, nil, answering(200, "hello", "Cache-Control: max-age=60", "Expires: 0", `Etag: "v1"`),
			[]string{"Cache-Control: max-age=60", "Expires: 0", "Age:", `Etag: "v1"`, "X-Cache: Miss", "Date: " + second0},
			[]string{
				"Cache-Control: max-age=60", "Expires: 0", "Age: 1", `Etag: "v1"`, "X-Cache: Hit", "Date: " + second0,
				"Cache-Status: larder; hit; ttl=59",
			},
		},
		{
			"the handler's Expires", time.Hour, nil, answering(200, "hello", "Expires: "+second30),
			[]string{"Cache-Control:", "Expires: " + second30, "Age:"},
			[]string{"Cache-Control:", "Expires: " + second30, "Age: 1", "Cache-Status: larder; hit; ttl=29"},
		},
		{
			"the handler's CDN-Cache-Control", time.Hour, nil, answering(200, "hello", "CDN-Cache-Control: max-age=9"),
			[]string{"Cache-Control:", "Expires:", "Cdn-Cache-Control: max-age=9", "Age:"},
			[]string{"Cache-Control:", "Expires:", "Cdn-Cache-Control: max-age=9", "Age: 1", "Cache-Status: larder; hit; ttl=8"},
		},
		{
			"Browser", time.Hour,
			[]larder.Rule{larder.Browser(30 * time.Second)},
			answering(200, "hello"),
			[]string{"Cache-Control: max-age=30", "Expires: " + second30},
			[]string{"Cache-Control: max-age=30", "Expires: Sat, 01 Jan 2000 00:00:31 GMT", "Age:", "Cache-Status: larder; hit; ttl=3599"},
		},
		{
			"Browser over the handler's", time.Hour,
			[]larder.Rule{larder.Browser(30 * time.Second)},
			answering(200, "hello", "Cache-Control: s-maxage=60, max-age=5"),
			[]string{"Cache-Control: max-age=30", "Expires: " + second30},
			[]string{"Cache-Control: max-age=30", "Expires: Sat, 01 Jan 2000 00:00:31 GMT", "Age:", "Cache-Status: larder; hit; ttl=59"},
		},
		{
			"Browser(0)", time.Hour,
			[]larder.Rule{larder.Browser(0)},
			answering(200, "hello"),
			[]string{"Cache-Control: no-cache", "Expires:", "X-Cache: Miss"},
			[]string{"Cache-Control: no-cache", "Expires:", "X-Cache: Hit", "Date: " + second1},
		},
		{
			"CDN", time.Hour,
			[]larder.Rule{larder.CDN(time.Minute)},
			answering(200, "hello"),
			[]string{"Cache-Control: max-age=3600", "Cdn-Cache-Control: max-age=60"},
			[]string{"Cache-Control: max-age=3599", "Cdn-Cache-Control: max-age=60"},
		},
		{
			"PerUser", time.Hour,
			[]larder.Rule{larder.PerUser(user)},
			answering(200, "hello", "CDN-Cache-Control: max-age=9"),
			[]string{"Cache-Control: private", "Cdn-Cache-Control:"},
			[]string{"Cache-Control: private", "Cdn-Cache-Control:"},
		},
		{
			"PerUser, ours", time.Hour,
			[]larder.Rule{larder.PerUser(user)},
			answering(200, "hello"),
			[]string{"Cache-Control: private, max-age=3600", "Expires: " + hour1},
			[]string{"Cache-Control: private, max-age=3599", "Expires: " + hour1},
		},
		{
			"Set-Cookie stored", time.Hour,
			[]larder.Rule{larder.StoreCookies(), larder.CDN(time.Minute)},
			answering(200, "hello", "Set-Cookie: a=b"),
			[]string{"Cache-Control: private, max-age=3600", "Cdn-Cache-Control:", "Set-Cookie: a=b"},
			[]string{"Cache-Control: private, max-age=3599", "Cdn-Cache-Control:", "Set-Cookie: a=b"},
		},
		{
			"Tags", time.Hour,
			[]larder.Rule{larder.Tags("items")},
			answering(200, "hello", "Expires: "+hour1, "Cache-Control: public"),
			[]string{"Cache-Control: public, no-cache", "Expires:", `Etag: W/"26c7827d889f6da3"`, "Cdn-Cache-Control:"},
			[]string{"Cache-Control: public, no-cache", "Expires:", `Etag: W/"26c7827d889f6da3"`, "Cdn-Cache-Control:"},
		},
		{
			"Tags and PerUser", time.Hour,
			[]larder.Rule{larder.Tags("items"), larder.PerUser(user)},
			answering(200, "hello"),
			[]string{"Cache-Control: private, no-cache", "Expires:"},
			[]string{"Cache-Control: private, no-cache", "Expires:"},
		},
		{
			"Tags, Browser and CDN", time.Hour,
			[]larder.Rule{larder.Tags("items"), larder.Browser(time.Hour), larder.CDN(time.Minute)},
			answering(200, "hello"),
			[]string{"Cache-Control: max-age=3600", "Cdn-Cache-Control: max-age=60"},
			[]string{"Cache-Control: max-age=3600", "Cdn-Cache-Control: max-age=60"},
		},
		{
			"Headers", time.Hour,
			[]larder.Rule{larder.Headers("Accept", "accept-language")},
			answering(200, "hello", "Vary: accept, Origin"),
			[]string{"Vary: accept, Origin | Accept-Language"},
			[]string{"Vary: accept, Origin | Accept-Language"},
		},
		{
			"several lines", time.Hour, nil, answering(200, "hello", "Link: </a>; rel=preload", "Link: </b>, </c>", "X-Empty: "),
			[]string{"Link: </a>; rel=preload | </b>, </c>"},
			[]string{"Link: </a>; rel=preload | </b>, </c>", "X-Empty: "},
		},
		{
			"fields of one connection", time.Hour, nil, answering(200, "hello", "Connection: X-Hop", "X-Hop: 1", "Keep-Alive: 5"),
			[]string{"X-Hop: 1"},
			[]string{"X-Hop:", "Connection:", "Keep-Alive:"},
		},
		{
			"another cache behind us", time.Hour, nil, answering(200, "hello", "Cache-Status: origin; hit", "X-Cache: HIT from squid"),
			[]string{"Cache-Status: origin; hit | larder; fwd=uri-miss; stored", "X-Cache: Miss"},
			[]string{"Cache-Status: origin; hit | larder; hit; ttl=3599", "X-Cache: Hit"},
		},
		{
			"no content", time.Hour, nil, answering(204, ""),
			[]string{"Cache-Control: max-age=3600", "Etag:", "Content-Type:", "Content-Length:", "X-Cache: Miss"},
			[]string{"Cache-Control: max-age=3599", "Etag:", "Content-Type:", "Content-Length:", "X-Cache: Hit"},
		},
		{
			"Negative", time.Hour,
			[]larder.Rule{larder.Negative(30*time.Second, 404)},
			answering(404, "gone"),
			[]string{"Cache-Control: max-age=30", "Expires: " + second30, "Etag:", "X-Cache: Miss"},
			[]string{"Cache-Control: max-age=29", "Expires: " + second30, "Etag:", "X-Cache: Hit"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := openCache(t, larder.Options{}).For(tt.ttl, tt.rules...)(tt.handler)
				fill := ask(t, h, "/")
				expectFields(t, fill, tt.fill...)
				time.Sleep(time.Second)
				hit := ask(t, h, "/")
				expectFields(t, hit, tt.hit...)
				if !hit.hit() || hit.status != fill.status || hit.body != fill.body || tt.handler.runs.Load() != 1 {
					t.Errorf("got %d %q after %d %q and %d runs", hit.status, hit.body, fill.status, fill.body, tt.handler.runs.Load())
				}
			})
		})
	}
}

// TestCountdown asks several times a second, from the middle of one: max-age is the whole seconds that are left, and Expires
// is Date and max-age.
func TestCountdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		time.Sleep(700 * time.Millisecond)
		h := openCache(t, larder.Options{}).For(5 * time.Second)(new(counted))
		began := time.Now()
		for range 50 {
			got := ask(t, h, "/")
			left := 5 - int(time.Since(began)/time.Second)
			expectFields(t, got, fmt.Sprintf("Cache-Control: max-age=%d", left),
				"Date: "+time.Now().UTC().Format(http.TimeFormat),
				"Expires: "+time.Now().Truncate(time.Second).Add(time.Duration(left)*time.Second).UTC().Format(http.TimeFormat))
			time.Sleep(100 * time.Millisecond)
		}
		if got := ask(t, h, "/"); got.hit() || got.body != "run 2" {
			t.Errorf("after its lifetime: %v", got)
		}
	})
}

func TestPresets(t *testing.T) {
	c := openCache(t, larder.Options{})
	for _, tt := range []struct {
		preset func(...larder.Rule) func(http.Handler) http.Handler
		want   string
	}{
		{c.OneMinute, "60"},
		{c.OneHour, "3600"},
		{c.OneDay, "86400"},
		{c.OneWeek, "604800"},
		{c.OneMonth, "2592000"},
		{c.OneYear, "31536000"},
		{c.Forever, "31536000"},
	} {
		expectFields(t, ask(t, tt.preset()(new(counted)), "/"+tt.want), "Cache-Control: max-age="+tt.want)
	}
}

func TestHeaderOption(t *testing.T) {
	for header, want := range map[string][]string{
		"":         {"X-Cache: Hit"},
		"-":        {"X-Cache:"},
		"x-larder": {"X-Larder: Hit", "X-Cache:"},
	} {
		h := openCache(t, larder.Options{Header: header}).OneHour()(new(counted))
		ask(t, h, "/")
		expectFields(t, ask(t, h, "/"), append(want, "Cache-Status: larder; hit; ttl=3600")...)
	}
}

// outside is an outer middleware that sets fields, or adds to those that a further one has set, before what it wraps.
func outside(next http.Handler, set func(h http.Header)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set(w.Header())
		next.ServeHTTP(w, r)
	})
}

func TestFieldsOfOuterMiddlewares(t *testing.T) {
	for _, tt := range []struct {
		name    string
		outer   func(h http.Header)
		handler func(h http.Header)
		later   []string // what a hit behind an outer middleware that sets X-Outer and Vary to 2 shows
		bare    []string // and without any
	}{
		{
			"untouched", func(h http.Header) { h.Set("X-Outer", "1") }, func(http.Header) {},
			[]string{"X-Outer: 2", "Vary: 2"},
			[]string{"X-Outer:", "Vary:"},
		},
		{
			"appended", func(h http.Header) { h.Set("Vary", "Origin") }, func(h http.Header) { h.Add("Vary", "Accept") },
			[]string{"Vary: 2 | Accept"},
			[]string{"Vary: Accept"},
		},
		{
			"replaced", func(h http.Header) { h.Set("X-Outer", "1") }, func(h http.Header) { h.Set("X-Outer", "mine") },
			[]string{"X-Outer: mine"},
			[]string{"X-Outer: mine"},
		},
		{
			"replaced by the same", func(h http.Header) { h.Set("X-Outer", "1") }, func(h http.Header) { h.Set("X-Outer", "1") },
			[]string{"X-Outer: 1"},
			[]string{"X-Outer: 1"},
		},
		{
			"deleted", func(h http.Header) { h.Set("X-Outer", "1") }, func(h http.Header) { h.Del("X-Outer") },
			[]string{"X-Outer:", "Vary: 2"},
			[]string{"X-Outer:", "Vary:"},
		},
		{
			"a cookie", func(h http.Header) { h.Add("Set-Cookie", "csrf=1") }, func(http.Header) {},
			[]string{"Set-Cookie:", "X-Outer: 2"},
			[]string{"Set-Cookie:"},
		},
		{
			"no-store", func(h http.Header) { h.Set("Cache-Control", "no-store") }, func(http.Header) {},
			[]string{"Cache-Control: max-age=3600"},
			[]string{"Cache-Control: max-age=3600"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				cached := openCache(t, larder.Options{}).OneHour(larder.Public())(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					tt.handler(w.Header())
					write(w, "hello")
				}))
				bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { tt.handler(w.Header()) })
				fill, want := ask(t, outside(cached, tt.outer), "/"), ask(t, outside(bare, tt.outer), "/")
				for name := range want.header {
					if name != "Cache-Control" && fill.all(name) != want.all(name) {
						t.Errorf("on the fill, %s: got %q, want %q", name, fill.all(name), want.all(name))
					}
				}
				hit := ask(t, outside(cached, tt.outer), "/")
				for name := range joined(fill.header, hit.header) {
					if name != "X-Cache" && name != "Cache-Status" && fill.all(name) != hit.all(name) {
						t.Errorf("on a hit, %s: got %q, want %q", name, hit.all(name), fill.all(name))
					}
				}
				later := ask(t, outside(cached, func(h http.Header) { h.Set("X-Outer", "2"); h.Set("Vary", "2") }), "/")
				if !later.hit() {
					t.Fatalf("no hit: %v", later)
				}
				expectFields(t, later, tt.later...)
				expectFields(t, ask(t, cached, "/"), tt.bare...)
			})
		})
	}
}

// TestContentTypeThatWasDeleted: a handler that takes back what an outer middleware says of the content has net/http look at the body.
func TestContentTypeThatWasDeleted(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Del("Content-Type")
		write(w, "<html>hello</html>")
	})
	h := outside(openCache(t, larder.Options{}).OneHour()(page), func(h http.Header) { h.Set("Content-Type", "application/json") })
	for _, outcome := range []string{"Miss", "Hit"} {
		expectFields(t, ask(t, h, "/"), "Content-Type: text/html; charset=utf-8", "X-Cache: "+outcome)
	}
}

// TestFieldsOfOuterMiddlewaresGoToNobodyElse, whichever way the handler's response took to its client.
func TestFieldsOfOuterMiddlewaresGoToNobodyElse(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		again  bool // the response is stale the first time, and may stand in for an error
	}{
		{"held back", func(http.ResponseWriter) {}, false},
		{"flushed", func(w http.ResponseWriter) { w.(http.Flusher).Flush() }, false},
		{"flushed behind some of the body", func(w http.ResponseWriter) { write(w, "well, "); w.(http.Flusher).Flush() }, false},
		{"beside a stale response", func(http.ResponseWriter) {}, true},
		{"informed beside a stale response", func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				cached := openCache(t, larder.Options{}).FromHeaders()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Cache-Control", "max-age=60, stale-if-error=600")
					tt.answer(w)
					write(w, "hello")
				}))
				for i, user := range []string{"alice", "bob", "carol"} {
					got := ask(t, outside(cached, func(h http.Header) { h.Set("Set-Cookie", "session="+user); h.Set("X-Outer", user) }), "/")
					expectFields(t, got, "Set-Cookie: session="+user, "X-Outer: "+user)
					if got.hit() == (i == 0 || tt.again && i == 1) {
						t.Errorf("%s: %v", user, got)
					}
					if tt.again && i == 0 {
						time.Sleep(2 * time.Minute)
					}
				}
			})
		})
	}
}

// joined is all fields of two headers.
func joined(a, b http.Header) http.Header {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// A hit must not write into what is stored, nor what is outside into what comes after.
func TestHitsLeaveTheStoredFieldsAlone(t *testing.T) {
	cached := openCache(t, larder.Options{}).OneHour(larder.Headers("Accept"))(answering(200, "hello", "Vary: Origin", "Link: </a>"))
	spoiling := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Cache-Status", "outer; fwd=miss")
		cached.ServeHTTP(w, r)
		for name := range w.Header() {
			w.Header().Add(name, "spoilt")
		}
	})
	for range 3 {
		ask(t, spoiling, "/")
		expectFields(t, ask(t, cached, "/"), "Vary: Origin | Accept", "Link: </a>", "X-Cache: Hit", "Cache-Control: max-age=3600",
			"Cache-Status: larder; hit; ttl=3600")
	}
}

// TestFieldsSetTooLate: what a handler sets behind its header does not go out, as without the cache, though the response of a write
// is held back.
func TestFieldsSetTooLate(t *testing.T) {
	h := openCache(t, larder.Options{}).Invalidates()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		w.Header().Set("Location", "/late")
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if got := w.Header().Get("Location"); w.Code != http.StatusCreated || got != "" {
		t.Errorf("status %d, Location %q", w.Code, got)
	}
}
