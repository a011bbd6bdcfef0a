package middleware

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// note logs why a request was not answered from the store or its response not stored. Routes and reasons are logged, values and
// credentials never.
func (rt *route) note(r *http.Request, event, why string) {
	if rt.c.logger.Enabled(r.Context(), slog.LevelDebug) {
		rt.c.logger.LogAttrs(r.Context(), slog.LevelDebug, event, slog.String("route", rt.label(r)), slog.String("why", why))
	}
}

// advise tells the author of a route, once, what to say about requests with credentials.
func (rt *route) advise(r *http.Request, credentials string) {
	rt.advised.Do(func() {
		cure := "PerUser(f) for one entry per user, or Public() if credentials do not change the answer"
		switch credentials {
		case detailCookie:
			cure = "Cookies(names) for the cookies that matter, PerUser(f) for one entry per user, or Public() if cookies do not change the answer"
		case detailIdentity:
			credentials = rt.identity(r)
			cure = "PerUser(f) for one entry per user, Headers(field) for one per value, or Public() if who asks does not change the answer"
		}
		rt.c.logger.Info("larder: requests with credentials are not cached on this route", "route", rt.label(r), "field", credentials, "cure", cure)
	})
}

// adviseWildcard tells the author of a route, once, of a tag that no purge is going to name.
func (rt *route) adviseWildcard(r *http.Request, name string) {
	rt.unfilled.Do(func() {
		rt.c.logger.Warn("larder: a wildcard of a tag has no value", "route", rt.label(r), "wildcard", name,
			"cure", "name a wildcard of the route's own pattern, and have r.SetPathValue called where the router does not fill r.PathValue: "+
				"without a value no purge meets what the tag is for")
	})
}

// adviseNewcomer tells the author of a route, once, why pages are not stored whose handler sets no cookie.
func (rt *route) adviseNewcomer(r *http.Request) {
	rt.greeted.Do(func() {
		rt.c.logger.Info("larder: pages are not stored whose client is given a cookie by a middleware outside of the cache", "route", rt.label(r),
			"cure", "Public() if the page holds nothing that belongs to the cookie, or set the cookie inside of the cache only where it is needed")
	})
}

// unreadableEvery is how often unreadable entries are told of: where another release or program writes under the same keys, they come
// with each request.
const unreadableEvery = time.Minute

// unreadable counts an entry that cannot be read, and warns of the first in a while.
func (c *Cache) unreadable(key string, err error) {
	n := c.stats.corrupt.Add(1)
	now, told := time.Now().UnixNano(), c.told.Load()
	if now-told >= int64(unreadableEvery) && c.told.CompareAndSwap(told, now) {
		c.logger.Warn("larder: unreadable entry", "key", strings.Clone(key), "error", err, "so_far", n)
	}
}

func (c *Cache) logKey(ctx context.Context, event, key string) {
	if c.logger.Enabled(ctx, slog.LevelDebug) {
		c.logger.LogAttrs(ctx, slog.LevelDebug, event, slog.String("key", key))
	}
}
