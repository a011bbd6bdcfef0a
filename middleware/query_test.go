package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	larder "github.com/larderhq/larder/middleware"
)

func TestQueriesKeptApart(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rules []larder.Rule
		apart []string // no two share an entry
		alike []string // the same as the first of apart
	}{
		{
			"all", nil,
			[]string{"/?a=1&b=2", "/", "/?a", "/?a=", "/?a=1&a=2", "/?a=2&a=1", "/?a=1%262", "/?a=1&b=2&c", "/?=", "/?A=1&b=2"},
			[]string{"/?b=2&a=1", "/?&b=2&&a=1&", "/?%61=1&b=%32"},
		},
		{"malformed", nil, []string{"/?a=%zz", "/?a=%25zz", "/?a=%", "/?a;b", "/?a%3Bb", "/?a&b", "/?%zz=a", "/?bad:a=%25zz"}, nil},
		{
			"some",
			[]larder.Rule{larder.Query("a", "b")},
			[]string{"/?a=1&b=2", "/?a=1", "/?b=2", "/", "/?a", "/?a=", "/?a=1&a=2", "/?a=2&a=1"},
			[]string{"/?c&b=2&a=1", "/?a=1&utm=x&b=2", "/?a=1&b=2&c=%zz", "/?b=2;c&b=2&a=1"},
		},
		{"none", []larder.Rule{larder.NoQuery()}, []string{"/"}, []string{"/?a", "/?%zz", "/?a;b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := openCache(t, larder.Options{}).OneHour(tt.rules...)(new(counted))
			for _, target := range tt.apart {
				if got := ask(t, h, target); got.hit() {
					t.Errorf("%s shares an entry: %v", target, got)
				}
			}
			first := ask(t, h, tt.apart[0]).body
			for _, target := range tt.alike {
				if got := ask(t, h, target); !got.hit() || got.body != first {
					t.Errorf("%s: got %v, want a hit on %s", target, got, first)
				}
			}
		})
	}
}

// TestTooManyPairsPoisonNothing: url.ParseQuery makes nothing of a query with 10,001 pairs, be they empty, and the key has no empty ones.
func TestTooManyPairsPoisonNothing(t *testing.T) {
	parsed := func(w http.ResponseWriter, r *http.Request) { write(w, "page "+r.URL.Query().Get("page")) }
	for _, query := range []string{"page=2" + strings.Repeat("&", 10_000), strings.Repeat("&", 10_000) + "page=2", "page=2" + strings.Repeat("&x", 10_000)} {
		h := openCache(t, larder.Options{}).OneHour()(http.HandlerFunc(parsed))
		ask(t, h, "/?"+query)
		if got := ask(t, h, "/?page=2"); got.body != "page 2" {
			t.Errorf("after %.20q…: got %v", query, got)
		}
	}
}

// query answers with all ways in which a handler can see the query.
func query(w http.ResponseWriter, r *http.Request) {
	uri := r.RequestURI
	write(w, fmt.Sprintf("%s %s %s form=%q", uri, r.URL.RawQuery, r.URL, r.FormValue("q")+r.FormValue("utm")+r.PostFormValue("utm")))
}

// parsingForms is an outer middleware that parses the whole query before the cache can hide a part of it.
func parsingForms(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1 << 10); err == nil {
			panic("the request has no multipart body")
		}
		next.ServeHTTP(w, r)
	})
}

func TestUnkeyedQueryIsHiddenFromTheFill(t *testing.T) {
	for _, tt := range []struct{ name, target, want string }{
		{"some", "/p?utm=evil&q=1&q=2&%zz&x;y", "/p?q=1&q=2 q=1&q=2 /p?q=1&q=2 form=\"1\""},
		{"escaped", "/p?utm=evil&%71=1", "/p?%71=1 %71=1 /p?%71=1 form=\"1\""},
		{"nothing left", "/p?utm=evil", "/p  /p form=\"\""},
		{"absolute", "http://shop.example/p?utm=evil&q=1", "http://shop.example/p?q=1 q=1 http://shop.example/p?q=1 form=\"1\""},
		{"none", "/none?utm=evil&q=1", "/none  /none form=\"\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rule := larder.Query("q")
			if tt.name == "none" {
				rule = larder.NoQuery()
			}
			h := parsingForms(openCache(t, larder.Options{}).OneHour(rule)(http.HandlerFunc(query)))
			for range 2 {
				if got := ask(t, h, tt.target).body; got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			}
		})
	}
}

// What passes the cache by sees the whole query, and what is outside the cache never notices that it was hidden.
func TestHidingConcernsTheFillOnly(t *testing.T) {
	cached := openCache(t, larder.Options{}).OneHour(larder.NoQuery())(http.HandlerFunc(query))
	if got := ask(t, cached, "/p?utm=1", "Cache-Control: no-cache").body; got != "/p?utm=1 utm=1 /p?utm=1 form=\"1\"" {
		t.Errorf("no-cache: %s", got)
	}
	r := asked(t, "/p?utm=1")
	if err := r.ParseForm(); err != nil {
		t.Fatal(err)
	}
	cached.ServeHTTP(httptest.NewRecorder(), r)
	if r.URL.RawQuery != "utm=1" || r.RequestURI != "/p?utm=1" || r.Form.Get("utm") != "1" {
		t.Errorf("outside: %s %s %v", r.URL, r.RequestURI, r.Form)
	}
}
