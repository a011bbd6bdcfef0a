package middleware

import (
	"fmt"
	"hash/maphash"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larderhq/larder/internal/policy"
	"github.com/larderhq/larder/keybuilder"
)

// For caches the GET responses of a route for ttl, where the response names no lifetime of its own. More than a year is a year.
// The middleware goes around one route (chi: r.With(cache.For(…)).Get(…)) or, without a Name, around a whole router.
func (c *Cache) For(ttl time.Duration, rules ...Rule) func(http.Handler) http.Handler {
	if ttl <= 0 {
		panic(fmt.Sprintf("larder: For(%v): the lifetime must be positive; to cache nothing leave the middleware out or set Options.Disabled, "+
			"to obey the handler's own Cache-Control say FromHeaders()", ttl))
	}
	return c.wrap(compile(ttl, false, rules))
}

// FromHeaders gives no lifetime of its own: it is a shared cache as RFC 9111 describes it, in front of the handler.
func (c *Cache) FromHeaders(rules ...Rule) func(http.Handler) http.Handler {
	return c.wrap(compile(0, true, rules))
}

func (c *Cache) wrap(r rules) func(http.Handler) http.Handler {
	c.made()
	return func(next http.Handler) http.Handler {
		wired(next)
		rt := &route{rules: r, c: c, next: next}
		rt.keyPrefix = c.opt.Prefix + ":"
		rt.keyName = strings.ReplaceAll(string(keybuilder.AppendName(nil, r.name)), "/", "%2F") // no host and path looks like it
		rt.policy = r.policy(c.opt.Targets)
		rt.budget.limit = r.budget
		rt.seed, rt.replayable = maphash.MakeSeed(), rt.mayReplay()
		return rt
	}
}

// made panics where a Cache does not come from New.
func (c *Cache) made() {
	if c == nil || c.log == nil {
		panic("larder: this Cache is not one of New's: check the error of New before routes are wired")
	}
}

// wired panics where there is no handler.
func wired(next http.Handler) {
	if f, ok := next.(http.HandlerFunc); next == nil || ok && f == nil {
		panic("larder: the middleware was given a nil handler")
	}
}

// policy is what the rules of HTTP need to know of the route's.
func (r *rules) policy(targets []string) policy.Rules {
	return policy.Rules{
		TTL:          r.ttl,
		Negative:     r.negative,
		FromHeaders:  r.fromHeaders,
		Public:       r.public,
		Private:      r.user != nil,
		KeyedCookies: r.hasCookies,
		StoreCookies: r.storeCookies,
		Heuristic:    r.heuristic,
		Stale:        r.stale,
		StaleIfError: r.staleIfError,
		Targets:      targets,
	}
}

// route is one handler behind the cache.
type route struct {
	rules
	c          *Cache
	next       http.Handler
	keyPrefix  string
	keyName    string
	policy     policy.Rules
	patterns   sync.Map                // route pattern → *pattern, for a middleware around several routes
	latest     atomic.Pointer[pattern] // the one seen last, as nearly every route has but one
	advised    sync.Once               // the log has told the author what to say about credentials
	unfilled   sync.Once               // and of a tag whose wildcard has no value
	greeted    sync.Once               // and of cookies that an outer middleware gives to new clients
	writeTags  []string                // of Invalidates
	budget     budget
	seed       maphash.Seed
	replayable bool
}

// pattern returns the route pattern taken apart.
func (rt *route) pattern(text string) *pattern {
	if p := rt.latest.Load(); p != nil && p.text == text {
		return p
	}
	v, found := rt.patterns.Load(text)
	if !found {
		v, _ = rt.patterns.LoadOrStore(text, parsePattern(text))
	}
	p := v.(*pattern)
	rt.latest.Store(p)
	return p
}

// label is how the route is called in logs and by Route(name).
func (rt *route) label(r *http.Request) string {
	switch {
	case rt.name != "":
		return rt.name
	case r.Pattern != "":
		return r.Pattern
	default:
		return "(no name)"
	}
}
