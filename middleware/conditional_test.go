package middleware_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	larder "github.com/larderhq/larder/middleware"
)

const helloTag = `W/"26c7827d889f6da3"` // of "hello"

func TestIfNoneMatch(t *testing.T) {
	for _, tt := range []struct {
		name   string
		own    string // the handler's own tag
		fields []string
		want   int
	}{
		{"ours", "", []string{"If-None-Match: " + helloTag}, 304},
		{"strong for weak", "", []string{`If-None-Match: "26c7827d889f6da3"`}, 304},
		{"in a list", "", []string{`If-None-Match: "a", W/"b,c" ,` + helloTag}, 304},
		{"on the second line", "", []string{`If-None-Match: "a"`, "If-None-Match: " + helloTag}, 304},
		{"any", "", []string{"If-None-Match: *"}, 304},
		{"foreign", "", []string{`If-None-Match: "a"`}, 200},
		{"unquoted", "", []string{"If-None-Match: W/26c7827d889f6da3"}, 200},
		{"a real client's", "", []string{"If-None-Match: W/-5480454928453453778"}, 200},
		{"broken before good", "", []string{"If-None-Match: W/-5480454928453453778, " + helloTag}, 304},
		{"empty", "", []string{"If-None-Match:"}, 200},
		{"the handler's", `"v1"`, []string{`If-None-Match: "v1"`}, 304},
		{"weak for the handler's", `"v1"`, []string{`If-None-Match: W/"v1"`}, 304},
		{"ours for the handler's", `"v1"`, []string{"If-None-Match: " + helloTag}, 200},
		{"it comes before If-Modified-Since", "", []string{`If-None-Match: "a"`, "If-Modified-Since: Sat, 01 Jan 2050 00:00:00 GMT"}, 200},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			t.Run(method+" "+tt.name, func(t *testing.T) {
				handler := &counted{answer: func(w http.ResponseWriter, r *http.Request) {
					for _, name := range []string{"If-None-Match", "If-Modified-Since"} {
						if len(r.Header[name]) > 0 {
							t.Errorf("the handler of a fill sees %s", name)
						}
					}
					if tt.own != "" {
						w.Header().Set("ETag", tt.own)
					}
					write(w, "hello")
				}}
				h := openCache(t, larder.Options{}).OneHour()(handler)
				if method == "HEAD" { // which never fills
					ask(t, h, "/")
				}
				for _, cache := range []string{"first", "again"} {
					got := ask(t, h, method+" /", tt.fields...)
					if got.status != tt.want || got.body != "" && (tt.want == 304 || method == "HEAD") {
						t.Errorf("%s: got %d %q, want %d", cache, got.status, got.body, tt.want)
					}
				}
				if n := handler.runs.Load(); n != 1 {
					t.Errorf("%d runs", n)
				}
			})
		}
	}
}

func TestIfModifiedSince(t *testing.T) {
	const modified = "Fri, 31 Dec 1999 12:00:00 GMT"
	for _, tt := range []struct {
		name         string
		lastModified string
		since        []string
		want         int
	}{
		{"same", modified, []string{modified}, 304},
		{"later", modified, []string{second30}, 304},
		{"RFC 850", modified, []string{"Friday, 31-Dec-99 12:00:00 GMT"}, 304},
		{"earlier", modified, []string{"Fri, 31 Dec 1999 11:59:59 GMT"}, 200},
		{"no date", modified, []string{"yesterday"}, 200},
		{"two lines", modified, []string{modified, modified}, 200},
		{"without Last-Modified, the Date of the fill", "", []string{second0}, 304},
		{"without Last-Modified, before it", "", []string{modified}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				handler := answering(200, "hello")
				if tt.lastModified != "" {
					handler = answering(200, "hello", "Last-Modified: "+tt.lastModified)
				}
				h := openCache(t, larder.Options{}).OneHour()(handler)
				var fields []string
				for _, since := range tt.since {
					fields = append(fields, "If-Modified-Since: "+since)
				}
				for _, cache := range []string{"first", "again"} {
					if got := ask(t, h, "/", fields...); got.status != tt.want {
						t.Errorf("%s: got %d, want %d", cache, got.status, tt.want)
					}
					time.Sleep(time.Second)
				}
			})
		})
	}
}

func TestNotModifiedFields(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := openCache(t, larder.Options{}).For(30*time.Second, larder.Headers("Accept"))(answering(200, "hello",
			"Content-Type: text/plain", "Content-Language: en", "Content-Location: /a", "Last-Modified: "+second0, "X-Own: 1", "Vary: Origin"))
		for i, x := range []string{"Miss", "Hit"} {
			got := ask(t, h, "/", "If-None-Match: *")
			expectFields(t, got, "Etag: "+helloTag, fmt.Sprintf("Cache-Control: max-age=%d", 30-i), "Expires: "+second30,
				"Vary: Origin | Accept", "Content-Location: /a", "X-Cache: "+x, "Content-Type:", "Content-Language:", "Content-Length:", "Last-Modified:")
			if got.status != 304 || got.header.Get("Date") == "" {
				t.Errorf("got %v", got)
			}
			time.Sleep(time.Second)
		}
	})
}

// Conditions are for a 200 only (RFC 9110 §13.2.1), and a response that is not stored is the handler's to judge.
func TestConditionsElsewhere(t *testing.T) {
	cache := openCache(t, larder.Options{})
	missing := cache.OneHour(larder.Negative(time.Minute, 404))(answering(404, "gone", `ETag: "v1"`))
	for range 2 {
		if got := ask(t, missing, "/404", "If-None-Match: *"); got.status != 404 || got.body != "gone" {
			t.Errorf("404: got %v", got)
		}
	}
	private := cache.OneHour()(answering(200, "hello", "Cache-Control: private"))
	for range 2 {
		if got := ask(t, private, "/private", "If-None-Match: "+helloTag); got.status != 200 || got.body != "hello" {
			t.Errorf("not stored: got %v", got)
		}
	}
}

func TestRequestDirectives(t *testing.T) {
	plain := []string{"X-Cache:", "Cache-Control:", "Etag:", "Expires:", "Cache-Status:"}
	for _, tt := range []struct {
		fields []string
		plain  bool // the handler's own response, else a hit
	}{
		{[]string{"Cache-Control: no-cache"}, true},
		{[]string{"Cache-Control: No-Store"}, true},
		{[]string{"Cache-Control: max-age=60 , NO-CACHE,foo"}, true},
		{[]string{"Cache-Control: foo=\"bar, baz\", no-store"}, true},
		{[]string{"Cache-Control: max-age=60", "Cache-Control: no-store"}, true},
		{[]string{"Pragma: No-Cache"}, true},
		{[]string{"Pragma: foo, no-cache"}, true},
		{[]string{"Pragma: no-cache", "Cache-Control: max-age=0"}, false}, // Cache-Control alone counts (RFC 9111 §5.4)
		{[]string{"Cache-Control: foo=\"no-cache\""}, false},
		{[]string{"Cache-Control: x-no-cache, no-cached"}, false},
		{[]string{"Cache-Control: max-age=0"}, false},
		{[]string{"Cache-Control: max-age=0, min-fresh=9999"}, false},
		{[]string{"Cache-Control: only-if-cached"}, false},
		{[]string{"Cache-Control: no-transform"}, false},
	} {
		t.Run(strings.Join(tt.fields, " "), func(t *testing.T) {
			handler := new(counted)
			h := openCache(t, larder.Options{}).OneHour()(handler)
			if tt.plain {
				expectFields(t, ask(t, h, "/", tt.fields...), plain...)
				if got := ask(t, h, "/"); got.hit() {
					t.Errorf("it was stored: %v", got)
				}
				got := ask(t, h, "/", tt.fields...)
				expectFields(t, got, plain...)
				if got.body != "run 3" {
					t.Errorf("got %s", got.body)
				}
				return
			}
			ask(t, h, "/")
			if got := ask(t, h, "/", tt.fields...); !got.hit() {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestIgnoreClient(t *testing.T) {
	handler := new(counted)
	h := openCache(t, larder.Options{IgnoreClient: true}).OneHour()(handler)
	for _, field := range []string{"Cache-Control: no-store", "Cache-Control: no-cache", "Pragma: no-cache", "Cache-Control: only-if-cached"} {
		if got := ask(t, h, "/", field); got.body != "run 1" || got.header.Get("X-Cache") == "" {
			t.Errorf("%s: got %v", field, got)
		}
	}
}

func TestOnlyIfCached(t *testing.T) {
	handler := new(counted)
	h := openCache(t, larder.Options{}).OneHour()(handler)
	got := ask(t, h, "/", "Cache-Control: Only-If-Cached")
	expectFields(t, got, "Cache-Status:", "X-Cache:", "Cache-Control:", "Etag:")
	if got.status != http.StatusGatewayTimeout || handler.runs.Load() != 0 {
		t.Errorf("got %d after %d runs", got.status, handler.runs.Load())
	}
	ask(t, h, "/")
	if got := ask(t, h, "/", "Cache-Control: only-if-cached"); !got.hit() {
		t.Errorf("stored: got %v", got)
	}
	for _, field := range []string{`If-Match: "v1"`, "If-Unmodified-Since: " + second0, "Upgrade: other", "Connection: Accept"} { // which pass by
		got := ask(t, h, "/", "Cache-Control: only-if-cached", "Accept: text/html", field)
		if got.status != http.StatusGatewayTimeout || handler.runs.Load() != 1 {
			t.Errorf("%s: got %d after %d runs", field, got.status, handler.runs.Load())
		}
	}
}
