package middleware

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/larderhq/larder/internal/policy"
)

// Rule is what a route says about itself, given to For, FromHeaders or a preset.
// A wrong rule or combination panics while routes are wired, never while serving.
type Rule func(*rules)

// Name gives the route a name for its keys, for logs and for Route(name). Without one the key holds the host and the path,
// and logs show the route pattern. Give every route its own name: routes that share one miss on each other's entries.
func Name(name string) Rule {
	if name == "" {
		panic(`larder: Name(""): give the route a name or leave the rule out`)
	}
	return func(r *rules) { r.name = name }
}

// Query lets only these query parameters split the cache; the others are also hidden from the handler while it fills an
// entry, so that they cannot poison it. Without Query or NoQuery every parameter splits the cache.
func Query(names ...string) Rule {
	if len(names) == 0 {
		panic("larder: Query() without names: name the parameters that split the cache, or say NoQuery() to ignore the query")
	}
	return func(r *rules) {
		r.setQueryMode(querySome)
		r.query = uniqueSorted(append(r.query, names...))
	}
}

// NoQuery ignores the whole query, and hides it from the handler while it fills an entry.
func NoQuery() Rule {
	return func(r *rules) { r.setQueryMode(queryNone) }
}

func (r *rules) setQueryMode(m queryMode) {
	if r.queryMode != queryAll && r.queryMode != m {
		panic("larder: Query and NoQuery exclude each other: keep one")
	}
	r.queryMode = m
}

// Headers lets these request fields split the cache, in a normalised form; they are also sent as Vary.
func Headers(names ...string) Rule {
	for _, n := range names {
		if !policy.IsToken(n) {
			panic(fmt.Sprintf("larder: Headers(%q): not a field name", n))
		}
		if http.CanonicalHeaderKey(n) == "Cookie" {
			panic(`larder: Headers("Cookie") would give every browser its own entries: name the cookies that matter with Cookies`)
		}
	}
	return func(r *rules) {
		for _, n := range names {
			r.headers = append(r.headers, http.CanonicalHeaderKey(n))
		}
		r.headers = uniqueSorted(r.headers)
	}
}

// Cookies lets only these cookies split the cache; requests with others are cached all the same, and the others are hidden
// from the handler while it fills an entry. The response is sent with Vary: Cookie. Cookies() without names ignores all of them,
// and sends no Vary.
func Cookies(names ...string) Rule {
	for _, n := range names {
		if !policy.IsToken(n) {
			panic(fmt.Sprintf("larder: Cookies(%q): not a cookie name", n))
		}
	}
	return func(r *rules) {
		r.cookies, r.hasCookies = uniqueSorted(append(r.cookies, names...)), true
	}
}

// Param adds a computed parameter to the key, written as package keybuilder writes values. An error, or a value that
// keybuilder refuses, makes the request pass by, so that the handler can answer with its own 400.
func Param(name string, f func(*http.Request) (any, error)) Rule {
	if name == "" || f == nil {
		panic("larder: Param needs a name and a function")
	}
	return func(r *rules) {
		if slices.ContainsFunc(r.params, func(p param) bool { return p.name == name }) {
			panic(fmt.Sprintf("larder: Param(%q) is given twice", name))
		}
		r.params = append(r.params, param{name, f})
	}
}

// AnyHost leaves the host out of the key: for a service whose answers do not depend on the name it is called by.
func AnyHost() Rule { return func(r *rules) { r.anyHost = true } }

// PerUser keeps one entry per user, as f names them from the request (from a verified session, never from a bare field that
// a client can set), and tells clients that the response is private, with Vary: Authorization, Cookie: a browser must not show it
// to the next user who logs in. Where f goes by something else, such as a certificate, add Browser(0). A request for which f returns ""
// passes by.
func PerUser(f func(*http.Request) string) Rule {
	if f == nil {
		panic("larder: PerUser(nil): give a function that names the user")
	}
	return func(r *rules) { r.user = f }
}

// Public is the author's word that credentials (Authorization, certificates) and cookies do not change the answer: requests that carry them
// are answered from the store, and their answers are stored for everyone.
func Public() Rule { return func(r *rules) { r.public = true } }

// Browser sets the freshness told to clients, apart from the cache's own; 0 means no-cache: keep it, but ask every time.
func Browser(d time.Duration) Rule {
	notNegative("Browser", d)
	return func(r *rules) { r.browser, r.hasBrowser = min(d, OneYear), true }
}

// CDN sets the freshness told to shared caches downstream, as CDN-Cache-Control (RFC 9213).
func CDN(d time.Duration) Rule {
	notNegative("CDN", d)
	return func(r *rules) { r.cdn, r.hasCDN = min(d, OneYear), true }
}

// Stale serves a response for up to d past its lifetime: at once while one refresh runs, and when the handler fails, panics or
// runs out of time. A response that forbids stale reuse (must-revalidate, no-cache …) keeps its word.
func Stale(d time.Duration) Rule {
	positive("Stale", d)
	return func(r *rules) { r.stale = min(d, OneYear) }
}

// StaleIfError serves a response for up to d past its lifetime when the handler fails, panics or runs out of time, and only then
// (RFC 5861 §4). A response that forbids stale reuse, or names a stale-if-error of its own, keeps its word.
func StaleIfError(d time.Duration) Rule {
	positive("StaleIfError", d)
	return func(r *rules) { r.staleIfError = min(d, OneYear) }
}

// Negative also keeps these statuses, for d. Without it, For keeps 200, 203, 204, 301 and 308.
func Negative(d time.Duration, statuses ...int) Rule {
	positive("Negative", d)
	if len(statuses) == 0 {
		panic("larder: Negative without statuses: name them, as in Negative(time.Minute, 404, 410)")
	}
	for _, s := range statuses {
		if !policy.StorableStatus(s) {
			panic(fmt.Sprintf("larder: Negative: status %d cannot be stored", s))
		}
	}
	return func(r *rules) {
		if r.negative == nil {
			r.negative = make(map[int]time.Duration)
		}
		for _, s := range statuses {
			r.negative[s] = min(d, OneYear)
		}
	}
}

// StoreCookies also stores responses with Set-Cookie, for those who know that the cookie is the same for everybody;
// such a response is told to clients as private.
func StoreCookies() Rule { return func(r *rules) { r.storeCookies = true } }

// Heuristic gives a response without a lifetime one tenth of the time since its Last-Modified, at most a day, for the statuses
// that RFC 9110 §15.1 allows (RFC 9111 §4.2.2).
func Heuristic() Rule { return func(r *rules) { r.heuristic = true } }

// Tags names groups of entries for Invalidate(ctx, Tag(name)) and Invalidates(name): "items", or "item:{id}" where {id} is the
// route's wildcard. Clients are told no-cache, so that a purge reaches them, unless Browser says otherwise.
func Tags(names ...string) Rule {
	for _, n := range names {
		checkTemplate("Tags", n)
	}
	return func(r *rules) { r.tags = uniqueSorted(append(r.tags, names...)) }
}

// Once lets one replica of the fleet at a time run the handler for a key; the others wait for what it stores, at most five
// seconds. It takes a lease in Redis, at the cost of two more commands a fill, and changes nothing without Redis.
func Once() Rule { return func(r *rules) { r.once = true } }

// RefreshAhead refreshes an entry that is asked for before its lifetime ends, so that nobody waits for it: the earlier the longer
// its handler took, and never for a cheap one. Which request does it is left to chance, so that replicas do not all do it
// (XFetch: Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", 2015).
func RefreshAhead() Rule { return func(r *rules) { r.ahead = true } }

// Budget bounds how many new entries the route stores in a minute; beyond it the route goes on serving, unstored, and
// Cache-Status says detail=budget. The default is 600,000.
func Budget(entries int) Rule {
	if entries <= 0 {
		panic(fmt.Sprintf("larder: Budget(%d): the number of entries a minute must be positive", entries))
	}
	return func(r *rules) { r.budget = entries }
}

// checkTemplate refuses what no path value can fill in: a wildcard of a tag is its bare name, whatever the pattern says of it.
func checkTemplate(rule, s string) {
	if s == "" || !wildcardsNamed(s) {
		panic(fmt.Sprintf("larder: %s(%q): a tag is a text such as \"items\" or \"item:{id}\", with the bare names of wildcards", rule, s))
	}
}

func wildcardsNamed(template string) bool {
	before, after, found := strings.Cut(template, "{")
	if strings.Contains(before, "}") {
		return false
	}
	if !found {
		return true
	}
	name, rest, closed := strings.Cut(after, "}")
	return closed && name != "" && !strings.ContainsAny(name, "{:") && !strings.HasSuffix(name, "...") && wildcardsNamed(rest)
}

func positive(rule string, d time.Duration) {
	if d <= 0 {
		panic(fmt.Sprintf("larder: %s(%v): the duration must be positive", rule, d))
	}
}

func notNegative(rule string, d time.Duration) {
	if d < 0 {
		panic(fmt.Sprintf("larder: %s(%v): the duration must not be negative; 0 means no-cache", rule, d))
	}
}
