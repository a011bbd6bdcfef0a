package middleware_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/larderhq/larder/internal/redistest"
	larder "github.com/larderhq/larder/middleware"
)

func TestKeysInRedis(t *testing.T) {
	server := redistest.Start(t)
	cache := openCache(t, larder.Options{Redis: server.Client(), Prefix: "myapi-cache", StoreTimeout: 10 * time.Second})
	r := chi.NewRouter()
	r.With(cache.OneHour()).Get("/users/{id}", seen)
	r.With(cache.OneHour(larder.Name("api.get_user"))).Get("/named/{id}", seen)
	ask(t, r, "/users/1?page=2")
	ask(t, r, "/named/1?page=2")
	if err := cache.Close(); err != nil { // all is written now
		t.Fatal(err)
	}
	for _, want := range []string{
		"myapi-cache:shop.example/users/1(page=2)",
		"myapi-cache:api.get_user(host=shop.example,id=1,page=2)",
	} {
		if n, err := server.Client().Exists(t.Context(), want).Result(); err != nil || n != 1 {
			keys, _ := server.Client().Keys(t.Context(), "*").Result()
			t.Errorf("no key %s among %q, %v", want, keys, err)
		}
	}
}

// stored asks twice and returns the key of what was stored.
func stored(t *testing.T, h http.Handler, line string, fields ...string) string {
	t.Helper()
	ask(t, h, line, fields...)
	again := ask(t, h, line, fields...)
	if !again.hit() {
		t.Fatalf("%s is not stored: %v", line, again.header)
	}
	return again.key()
}

func TestKeys(t *testing.T) {
	type value struct{ A, B int }
	for _, tt := range []struct {
		name   string
		rules  []larder.Rule
		line   string
		fields []string
		want   string
	}{
		{"path", nil, "/users/1", nil, "shop.example/users/1()"},
		{"any order of the query", nil, "/users/1?b=2&a=1", nil, "shop.example/users/1(a=1,b=2)"},
		{"escapes in the query", nil, "/users/1?q=a%20b%2C(c)", nil, "shop.example/users/1(q=a%20b%2C%28c%29)"},
		{"escaped path", nil, "/users/a%2Fb", nil, "shop.example/users/a%2Fb()"},
		{"port", nil, "/users/1", []string{"Host: Shop.Example:8080"}, "shop.example:8080/users/1()"},
		{"any host", []larder.Rule{larder.AnyHost()}, "/users/1", nil, "/users/1()"},
		{"no query", []larder.Rule{larder.NoQuery()}, "/users/1?page=2", nil, "shop.example/users/1()"},
		{"selected query", []larder.Rule{larder.Query("page")}, "/users/1?z=1&page=2&utm=x", nil, "shop.example/users/1(page=2)"},
		{"named", []larder.Rule{larder.Name("get user")}, "/users/1", nil, "get%20user(host=shop.example,id=1)"},
		{"named, any host", []larder.Rule{larder.Name("u"), larder.AnyHost()}, "/users/1", nil, "u(id=1)"},
		{"named, escaped", []larder.Rule{larder.Name("u")}, "/users/a%2Fb", nil, "u(host=shop.example,path=/users/a%252Fb)"},
		{
			"parameter",
			[]larder.Rule{larder.Param("v", func(*http.Request) (any, error) { return value{1, 2}, nil })},
			"/users/1", nil,
			"shop.example/users/1(v=(A=1,B=2))",
		},
		{
			"text field",
			[]larder.Rule{larder.Headers("accept-language")},
			"/users/1",
			[]string{"Accept-Language: fr, de"},
			"shop.example/users/1(header:Accept-Language=de%2C%20fr)",
		},
		{"absent field", []larder.Rule{larder.Headers("Accept-Language")}, "/users/1", nil, "shop.example/users/1(header:Accept-Language)"},
		{
			"empty field",
			[]larder.Rule{larder.Headers("Accept-Language")},
			"/users/1",
			[]string{"Accept-Language:"},
			"shop.example/users/1(header:Accept-Language=)",
		},
		{
			"Host, which net/http keeps apart",
			[]larder.Rule{larder.AnyHost(), larder.Headers("Host")},
			"/users/1", nil,
			"/users/1(header:Host=0f59463c606c5b0e5d3da81f36e3f7c1)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cache := openCache(t, larder.Options{StatusKey: true})
			r := chi.NewRouter()
			r.With(cache.OneHour(tt.rules...)).Get("/users/{id}", seen)
			if got, want := stored(t, r, tt.line, tt.fields...), "larder:"+tt.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// router is a way to put the cache in front of handlers.
type router struct {
	name  string
	build func(c *larder.Cache, rules ...larder.Rule) http.Handler
}

var routers = []router{
	{"handler", func(c *larder.Cache, rules ...larder.Rule) http.Handler {
		return c.OneHour(rules...)(http.HandlerFunc(seen))
	}},
	{"mux", func(c *larder.Cache, rules ...larder.Rule) http.Handler {
		mux := http.NewServeMux()
		for _, pattern := range []string{"GET /a/{id}", "GET /b/{id}/{rest...}", "/{$}", "shop.example/h/{id}"} {
			mux.Handle(pattern, c.OneHour(rules...)(http.HandlerFunc(seen)))
		}
		return mux
	}},
	{"muxes behind StripPrefix", func(c *larder.Cache, rules ...larder.Rule) http.Handler {
		inner := func() http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/{id}", c.OneHour(rules...)(http.HandlerFunc(seen)))
			mux.Handle("/b/{id}", c.OneHour(rules...)(http.HandlerFunc(seen)))
			return mux
		}
		mux := http.NewServeMux()
		mux.Handle("/a/", http.StripPrefix("/a", inner()))
		mux.Handle("/b/", http.StripPrefix("/b", inner()))
		return mux
	}},
	{"one wildcard twice in mounted routers", func(c *larder.Cache, rules ...larder.Rule) http.Handler {
		inner := func() http.Handler {
			r := chi.NewRouter()
			r.With(c.OneHour(rules...)).Get("/{id}", seen)
			r.With(c.OneHour(rules...)).Get("/b/{id}", seen)
			return r
		}
		r := chi.NewRouter()
		r.Mount("/a", inner())
		r.Route("/b/{id}", func(r chi.Router) { r.Mount("/", inner()) })
		return r
	}},
	{"URLFormat", func(c *larder.Cache, rules ...larder.Rule) http.Handler {
		r := chi.NewRouter()
		r.Use(chimiddleware.URLFormat)
		r.With(c.OneHour(rules...)).Get("/a/{id}", func(w http.ResponseWriter, r *http.Request) {
			write(w, fmt.Sprint(r.Context().Value(chimiddleware.URLFormatCtxKey), " "))
			seen(w, r)
		})
		return r
	}},
	{"top-level Use", func(c *larder.Cache, rules ...larder.Rule) http.Handler {
		r := chi.NewRouter()
		r.Use(c.OneHour(rules...))
		r.Get("/a/{id}", seen)
		r.Get("/b/*", seen)
		return r
	}},
	{"path rewritten by a field", func(c *larder.Cache, rules ...larder.Rule) http.Handler {
		cached := c.OneHour(rules...)(http.HandlerFunc(seen))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if version := r.Header.Get("Version"); version != "" {
				u := *r.URL
				u.Path, u.RawPath = version, ""
				r.URL = &u
			}
			cached.ServeHTTP(w, r)
		})
	}},
}

// resources are pairwise different to a handler, and alike.
var resources = [][]string{
	{"/"},
	{"/a/1"},
	{"/a/1", "Host: shop.example:80"},
	{"/a/1", "Host: shop.example:8080"},
	{"/a/1", "Host: example"},
	{"/a/1", "Host: shop.example/a"},
	{"/a/1", "Version: /v1/1"},
	{"/a/1", "Version: /v2/1"},
	{"/a/1", "Version: /a%2F1"},
	{"/A/1"},
	{"/a/1/"},
	{"//a/1"},
	{"/a/%31"},
	{"/a/1.json"},
	{"/a/1.xml"},
	{"/a/1()"},
	{"/a/1(page=2)"},
	{"/a/x"},
	{"/a/X"},
	{"/a/x%2Fy"},
	{"/a/x%2fy"},
	{"/a/x%252Fy"},
	{"/a/x%2Fy", "Version: /a/x%2Fy"},
	{"/a/x/y"},
	{"/b/1"},
	{"/b/1/"},
	{"/b/1/2"},
	{"/b/2/1"},
	{"/b/1/b/2"},
	{"/b/2/b/1"},
	{"/a/b/1"},
	{"/b/b/1"},
	{"/h/1"},
	{"/a/1?"},
	{"/a/1?page"},
	{"/a/1?page="},
	{"/a/1?page=2"},
	{"/a/1?page=2&page=3"},
	{"/a/1?page=3&page=2"},
	{"/a/1?Page=2"},
	{"/a/1?page=%32%33"},
	{"/a/1?page=2;page=3"},
	{"/a/1?page=%zz"},
	{"/a/1?page=%25zz"},
	{"/a/1?id=1"},
	{"/a?id=1"},
	{"/a/1?host=shop.example"},
	{"/a/1?path=/a/1"},
}

// TestResourcesNeverMix asks for all in turn, twice: whatever is a hit must be what the handler would say itself.
func TestResourcesNeverMix(t *testing.T) {
	for _, router := range routers {
		for _, rules := range [][]larder.Rule{nil, {larder.Name("same")}} {
			t.Run(fmt.Sprint(router.name, " named=", len(rules)), func(t *testing.T) {
				cached := router.build(openCache(t, larder.Options{}), rules...)
				bare := router.build(openCache(t, larder.Options{Disabled: true}), rules...)
				hits := 0
				for range 3 {
					for _, r := range resources {
						got, want := ask(t, cached, r[0], r[1:]...), ask(t, bare, r[0], r[1:]...)
						if got.body != want.body || got.status != want.status {
							t.Errorf("%q: got %d %q, want %d %q", r, got.status, got.body, want.status, want.body)
						}
						if got.hit() {
							hits++
						}
					}
				}
				if hits < 10 {
					t.Errorf("%d hits: the test has shown nothing", hits)
				}
			})
		}
	}
}

func TestTLSIsAnotherResource(t *testing.T) {
	h := openCache(t, larder.Options{}).OneHour()(http.HandlerFunc(seen))
	plain := func(host, target string) answered { return ask(t, h, target, "Host: "+host) }
	secure := func(host, target string) answered {
		r := asked(t, target, "Host: "+host)
		r.TLS = new(tls.ConnectionState)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return answered{w.Code, w.Result().Header, w.Body.String()}
	}
	plain("shop.example", "/a")
	if got := secure("shop.example", "/a"); got.hit() {
		t.Errorf("over TLS: %v", got)
	}
	if got := secure("shop.example", "/a"); !got.hit() || !strings.Contains(got.body, "tls=true") {
		t.Errorf("over TLS again: %v", got)
	}
	for _, host := range []string{"https:", "HTTPS:", "https://shop.example"} {
		if got := plain(host, "//shop.example/a"); !strings.Contains(got.body, "tls=false") {
			t.Errorf("Host %q passes for TLS: %v", host, got)
		}
	}
}

// A name with a slash in it looks like a host and a path.
func TestNameIsNoPath(t *testing.T) {
	cache := openCache(t, larder.Options{})
	named := cache.OneHour(larder.Name("shop.example/a"))(http.HandlerFunc(seen))
	plain := cache.OneHour()(http.HandlerFunc(seen))
	ask(t, named, "/secret?x")
	if got := ask(t, plain, "/a?host=shop.example&path=/secret&x"); got.hit() {
		t.Errorf("got what the named route has stored: %s", got.body)
	}
}

// Two routes with one name are a mistake: they miss on each other's entries and never mix.
func TestSameNameTwice(t *testing.T) {
	cache := openCache(t, larder.Options{})
	r := chi.NewRouter()
	r.With(cache.OneHour(larder.Name("item"))).Get("/books/{id}", seen)
	r.With(cache.OneHour(larder.Name("item"))).Get("/films/{id}", seen)
	for range 3 {
		for _, path := range []string{"/books/1", "/films/1"} {
			if got := ask(t, r, path); got.hit() || !strings.Contains(got.body, "path="+path+" ") {
				t.Errorf("%s: %v", path, got)
			}
		}
	}
	if got := ask(t, r, "/films/1"); !got.hit() {
		t.Errorf("alone: %v", got)
	}
}

// absolute-form, asterisk-form and no path at all (RFC 9112 §3.2) reach a handler that no router shields.
func TestOddTargets(t *testing.T) {
	h := openCache(t, larder.Options{}).OneHour()(http.HandlerFunc(seen))
	for _, tt := range []struct {
		target, uri, path string
		hit               bool
	}{
		{"absolute", "http://shop.example/a?b", "/a", true},
		{"absolute without a path", "http://shop.example", "", false},
		{"a slash in the query only", "http://shop.example?b=/a", "", false},
		{"asterisk", "*", "*", false},
		{"made by hand", "", "", false},
	} {
		t.Run(tt.target, func(t *testing.T) {
			for range 2 {
				r := asked(t, "/")
				r.RequestURI, r.URL.Path = tt.uri, tt.path
				_, r.URL.RawQuery, _ = strings.Cut(tt.uri, "?")
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if got := w.Body.String(); !strings.Contains(got, "path="+tt.path+" ") {
					t.Errorf("got %s", got)
				}
				if tt.hit {
					tt.hit = false
					continue
				}
				if got := w.Header().Get("Cache-Status"); tt.path != "/a" && got != "larder; fwd=bypass; detail=path" {
					t.Errorf("Cache-Status: %s", got)
				}
			}
		})
	}
	if got := ask(t, h, "/a?b"); !got.hit() {
		t.Errorf("absolute-form and origin-form differ: %v", got)
	}
}

func TestParamsPassBy(t *testing.T) {
	runs := new(counted)
	date := func(r *http.Request) (any, error) {
		if r.URL.Query().Get("panic") != "" {
			return make(chan int), nil // keybuilder refuses it
		}
		return time.Parse("20060102", r.URL.Query().Get("date"))
	}
	h := openCache(t, larder.Options{}).OneHour(larder.Param("date", date))(runs)
	for _, target := range []string{"/?date=tomorrow", "/?date=tomorrow", "/?date=20190509&panic=1"} {
		got := ask(t, h, target)
		expectFields(t, got, "Cache-Status: larder; fwd=bypass; detail=param", "X-Cache:", "Cache-Control:", "Etag:")
	}
	if n := runs.runs.Load(); n != 3 {
		t.Errorf("%d runs, want 3", n)
	}
	ask(t, h, "/?date=20190509")
	if got := ask(t, h, "/?date=20190509"); !got.hit() {
		t.Errorf("a good date: %v", got)
	}
}

// An error of a parameter may quote what the client sent: it is not logged.
func TestParamErrorsAreNotLogged(t *testing.T) {
	var log journal
	h := openCache(t, larder.Options{Logger: log.logger()}).OneHour(larder.Param("token", func(r *http.Request) (any, error) {
		return nil, errors.New("bad " + r.Header.Get("Token"))
	}))(new(counted))
	ask(t, h, "/", "Token: s3cret")
	if strings.Contains(log.String(), "s3cret") {
		t.Error(log.String())
	}
}

func TestSecretsAreDigests(t *testing.T) {
	var log journal
	cache := openCache(t, larder.Options{StatusKey: true, Logger: log.logger()})
	for _, tt := range []struct {
		rule  larder.Rule
		field string
	}{
		{larder.Headers("Authorization"), "Authorization: Bearer s3cret"},
		{larder.Headers("X-Api-Key"), "X-Api-Key: s3cret"},
		{larder.Cookies("session"), "Cookie: session=s3cret"},
		{larder.PerUser(func(r *http.Request) string { return r.Header.Get("User") }), "User: s3cret"},
	} {
		h := cache.OneHour(tt.rule)(new(counted))
		if key := stored(t, h, "/", tt.field); strings.Contains(key, "s3cret") || len(key) < 32 {
			t.Errorf("%s: key %s", tt.field, key)
		}
		if other := stored(t, h, "/", strings.Replace(tt.field, "s3cret", "other", 1)); other == stored(t, h, "/", tt.field) {
			t.Errorf("%s: one key for two", tt.field)
		}
	}
	vary := cache.OneHour()(answering(200, "x", "Vary: X-Api-Key"))
	if key := stored(t, vary, "/vary", "X-Api-Key: s3cret"); strings.Contains(key, "s3cret") || !strings.Contains(key, "{X-Api-Key=") {
		t.Errorf("variant's key %s", key)
	}
	if strings.Contains(log.String(), "s3cret") {
		t.Errorf("the log tells: %s", log.String())
	}
}

func TestLongKeyPassesBy(t *testing.T) {
	h := openCache(t, larder.Options{}).OneHour()(new(counted))
	long := "/" + strings.Repeat("x", 20<<10)
	for range 2 {
		expectFields(t, ask(t, h, long), "Cache-Status: larder; fwd=bypass; detail=key-length")
	}
}
