package middleware_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	larder "github.com/larderhq/larder/middleware"
)

// owner is the answer of a handler that knows its user: by session cookie, by Authorization, or nobody.
func owner(w http.ResponseWriter, r *http.Request) {
	user := "nobody"
	if c, err := r.Cookie("session"); err == nil {
		user = c.Value
	}
	if bearer, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); found {
		user = bearer
	}
	for _, line := range r.Header["Say"] {
		w.Header().Add("Cache-Control", line)
	}
	write(w, "page of "+user)
}

func session(r *http.Request) string {
	if c, err := r.Cookie("session"); err == nil {
		return c.Value
	}
	user, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return user
}

var credentials = map[string]string{
	"authorization": "Authorization: Bearer ann",
	"cookie":        "Cookie: session=ann",
}

func TestCredentialsAreNotCachedUnderFor(t *testing.T) {
	for why, field := range credentials {
		t.Run(why, func(t *testing.T) {
			h := openCache(t, larder.Options{}).OneHour()(http.HandlerFunc(owner))
			ask(t, h, "/")
			for range 2 {
				got := ask(t, h, "/", field)
				expectFields(t, got, "Cache-Status: larder; fwd=bypass; detail="+why, "X-Cache:", "Cache-Control:", "Expires:", "Etag:")
				if got.body != "page of ann" {
					t.Errorf("got %s", got.body)
				}
			}
			if got := ask(t, h, "/"); !got.hit() || got.body != "page of nobody" {
				t.Errorf("without credentials: %v", got)
			}
			if got := ask(t, h, "/2", field); got.status != 200 || ask(t, h, "/2").hit() {
				t.Errorf("stored: %v", got)
			}
		})
	}
}

func TestCredentialsWithTheRoutesConsent(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rules  []larder.Rule
		fields []string
		body   string // of the second answer to the same request
		hit    bool
	}{
		{"Public", []larder.Rule{larder.Public()}, []string{credentials["authorization"], credentials["cookie"]}, "page of ann", true},
		{"PerUser", []larder.Rule{larder.PerUser(session)}, []string{credentials["cookie"]}, "page of ann", true},
		{"PerUser nobody", []larder.Rule{larder.PerUser(session)}, nil, "page of nobody", false},
		{"Cookies", []larder.Rule{larder.Cookies("session")}, []string{credentials["cookie"]}, "page of ann", true},
		{"Cookies of another name", []larder.Rule{larder.Cookies("lang")}, []string{credentials["cookie"]}, "page of nobody", true},
		{"no Cookies", []larder.Rule{larder.Cookies()}, []string{credentials["cookie"]}, "page of nobody", true},
		{"Cookies do not cover Authorization", []larder.Rule{larder.Cookies("session")}, []string{credentials["authorization"]}, "page of ann", false},
		{"Headers", []larder.Rule{larder.Headers("Authorization")}, []string{credentials["authorization"]}, "page of ann", true},
		{
			"Headers do not cover Cookie",
			[]larder.Rule{larder.Headers("Authorization")},
			[]string{credentials["authorization"], "Cookie: x=y"},
			"page of ann", false,
		},
		{"response public", nil, []string{credentials["cookie"], "Say: public"}, "page of ann", true},
		{"response s-maxage", nil, []string{credentials["authorization"], "Say: s-maxage=60"}, "page of ann", true},
		{"response must-revalidate", nil, []string{credentials["authorization"], "Say: must-revalidate"}, "page of ann", true},
		{"response max-age", nil, []string{credentials["authorization"], "Say: max-age=60"}, "page of ann", false},
		{"response private", nil, []string{credentials["cookie"], "Say: public, private"}, "page of ann", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := openCache(t, larder.Options{}).OneHour(tt.rules...)(http.HandlerFunc(owner))
			ask(t, h, "/", tt.fields...)
			if got := ask(t, h, "/", tt.fields...); got.hit() != tt.hit || got.body != tt.body {
				t.Errorf("hit %t, want %t: %s, want %s", got.hit(), tt.hit, got.body, tt.body)
			}
		})
	}
}

func TestPerUserIsPrivate(t *testing.T) {
	h := openCache(t, larder.Options{}).OneHour(larder.PerUser(session))(http.HandlerFunc(owner))
	for _, hit := range []string{"Miss", "Hit"} {
		expectFields(t, ask(t, h, "/", "Cookie: session=ann", "Say: public, s-maxage=9"), "X-Cache: "+hit,
			"Cache-Control: private, s-maxage=9", "Cdn-Cache-Control:")
		expectFields(t, ask(t, h, "/2", "Cookie: session=ann", "Say: private"), "X-Cache: "+hit, "Cache-Control: private, max-age=3600")
	}
	expectFields(t, ask(t, h, "/"), "Cache-Status: larder; fwd=bypass; detail=user", "X-Cache:", "Cache-Control:")
}

// TestNobodyGetsAnothersPage lets users with all kinds of credentials ask for a few pages at once, in random order, again and
// again, on routes with every rule that says something about credentials.
func TestNobodyGetsAnothersPage(t *testing.T) {
	users := []struct {
		body   string
		fields []string
	}{
		{"page of nobody", nil},
		{"page of nobody", []string{"Cookie: theme=dark"}},
		{"page of ann", []string{"Cookie: session=ann"}},
		{"page of ann", []string{"Cookie: theme=dark; session=ann"}},
		{"page of ann", []string{"Authorization: Bearer ann"}},
		{"page of bob", []string{"Cookie: session=bob"}},
		{"page of bob", []string{"Cookie: session=bob", "Cookie: theme=dark"}},
		{"page of bob", []string{"Authorization: Bearer bob", "Cookie: session=ann"}},
		{"page of eve", []string{"Cookie: session=eve", "Cache-Control: max-age=0"}},
		{"page of eve", []string{"Cookie: session=eve", "Cache-Control: no-cache"}},
		{"page of eve", []string{"Authorization: Bearer eve", "Say: private"}},
	}
	for name, rules := range map[string][]larder.Rule{
		"none":      nil,
		"cookies":   {larder.Cookies("session")},
		"headers":   {larder.Headers("Authorization"), larder.Cookies("session")},
		"per user":  {larder.PerUser(func(r *http.Request) string { return r.Header.Get("Authorization") + r.Header.Get("Cookie") })},
		"stale":     {larder.Stale(larder.OneHour)},
		"one entry": {larder.NoQuery(), larder.AnyHost(), larder.Name("x")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := openCache(t, larder.Options{}).OneMinute(rules...)(http.HandlerFunc(owner))
			var crowd sync.WaitGroup
			for range 8 {
				crowd.Go(func() {
					for range 200 {
						u, page := users[rand.IntN(len(users))], fmt.Sprintf("/%d", rand.IntN(5))
						if got := ask(t, h, page, u.fields...); got.body != u.body {
							t.Errorf("%q got %s, want %s (%v)", u.fields, got.body, u.body, got.header)
							return
						}
					}
				})
			}
			crowd.Wait()
		})
	}
}

func TestUnkeyedCookiesAreHiddenFromTheFill(t *testing.T) {
	raw := func(w http.ResponseWriter, r *http.Request) { write(w, fmt.Sprintf("%q", r.Header["Cookie"])) }
	for _, tt := range []struct {
		name, field, want string
		names             []string
	}{
		{"named", "Cookie: a=1; lang=en; b=2", `["lang=en"]`, []string{"lang"}},
		{"several", "Cookie: b=2; a=1; c=3", `["a=1; b=2"]`, []string{"b", "a"}},
		{"twice", "Cookie: lang=en; lang=de", `["lang=en; lang=de"]`, []string{"lang"}},
		{"none named", "Cookie: a=1", `[]`, []string{"lang"}},
		{"all ignored", "Cookie: a=1", `[]`, nil},
		{"other case", "Cookie: Lang=en", `[]`, []string{"lang"}},
		{"quoted", `Cookie: lang="en"`, `["lang=\"en\""]`, []string{"lang"}},
		{"what net/http drops", "Cookie: lang=e\\n; lang=en", `["lang=en"]`, []string{"lang"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := openCache(t, larder.Options{}).OneHour(larder.Cookies(tt.names...))(http.HandlerFunc(raw))
			got := ask(t, h, "/", tt.field)
			if got.body != tt.want {
				t.Errorf("got %s, want %s", got.body, tt.want)
			}
			if vary := got.header.Get("Vary"); (vary == "Cookie") != (len(tt.names) > 0) {
				t.Errorf("Vary: %s", vary)
			}
		})
	}
}

// Two requests with one key give the handler of the fill the same cookies.
func TestCookiesThatTheFillTellsApart(t *testing.T) {
	raw := func(w http.ResponseWriter, r *http.Request) { write(w, fmt.Sprintf("%q", r.Header["Cookie"])) }
	h := openCache(t, larder.Options{}).OneHour(larder.Cookies("a", "b"))(http.HandlerFunc(raw))
	for _, field := range []string{"a=1", `a="1"`, "a=1; b=2", "b=2; a=1", "a=1; a=2", "a=2; a=1", "a=", "a", "", "a=\\; b=2", "b=2", "a=1, b=2"} {
		alone := openCache(t, larder.Options{}).OneHour(larder.Cookies("a", "b"))(http.HandlerFunc(raw))
		if got, want := ask(t, h, "/", "Cookie: "+field).body, ask(t, alone, "/", "Cookie: "+field).body; got != want {
			t.Errorf("%s: got what was filled with %s, want %s", field, got, want)
		}
	}
}

func TestAdviceIsGivenOnce(t *testing.T) {
	for field, cure := range map[string]string{
		credentials["cookie"]:        "Cookies(names)",
		credentials["authorization"]: "PerUser(f)",
	} {
		var log journal
		h := openCache(t, larder.Options{Logger: log.logger()}).OneHour(larder.Name("profile"))(http.HandlerFunc(owner))
		for range 3 {
			ask(t, h, "/", field)
			ask(t, h, "/2", field)
		}
		if n := log.count("level=INFO", "requests with credentials", "route=profile", cure, "Public()"); n != 1 {
			t.Errorf("%s: %d lines in\n%s", field, n, log.String())
		}
		if strings.Contains(log.String(), "ann") {
			t.Errorf("the log tells the credential:\n%s", log.String())
		}
	}
}

// RFC 9111 §3.5: under FromHeaders Authorization needs the response's consent, Cookie does not.
func TestCredentialsUnderFromHeaders(t *testing.T) {
	for _, tt := range []struct {
		field, say string
		hit        bool
	}{
		{credentials["cookie"], "max-age=60", true},
		{credentials["authorization"], "max-age=60", false},
		{credentials["authorization"], "max-age=60, public", true},
	} {
		h := openCache(t, larder.Options{}).FromHeaders()(http.HandlerFunc(owner))
		ask(t, h, "/", tt.field, "Say: "+tt.say)
		if got := ask(t, h, "/", tt.field, "Say: "+tt.say); got.hit() != tt.hit {
			t.Errorf("%s, %s: hit %t", tt.field, tt.say, got.hit())
		}
	}
}

// TestNewcomers: a middleware against CSRF, which is outside of the cache, gives each new client a cookie and its handler the token.
func TestNewcomers(t *testing.T) {
	type key struct{}
	for name, tt := range map[string]struct {
		wrap   func(c *larder.Cache) func(http.Handler) http.Handler
		stored bool
	}{
		"For":         {func(c *larder.Cache) func(http.Handler) http.Handler { return c.OneHour() }, false},
		"Public":      {func(c *larder.Cache) func(http.Handler) http.Handler { return c.OneHour(larder.Public()) }, true},
		"Cookies":     {func(c *larder.Cache) func(http.Handler) http.Handler { return c.OneHour(larder.Cookies("theme")) }, true},
		"FromHeaders": {func(c *larder.Cache) func(http.Handler) http.Handler { return c.FromHeaders() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			page := tt.wrap(openCache(t, larder.Options{}))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				write(w, r.Context().Value(key{}).(string))
			}))
			guard := func(token string) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					http.SetCookie(w, &http.Cookie{Name: "csrf", Value: token})
					page.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, token)))
				})
			}
			ask(t, guard("alice"), "/")
			if got := ask(t, guard("bob"), "/"); got.hit() != tt.stored || !tt.stored && got.body != "bob" {
				t.Errorf("got %v", got)
			}
		})
	}
}
