package middleware

import (
	"net/http"
	"slices"

	"github.com/larderhq/larder/internal/invalidation"
	"github.com/larderhq/larder/internal/policy"
	"github.com/larderhq/larder/internal/store"
)

// groupSelectors select an entry by the cache groups of its response (RFC 9875 §2), which belong to its origin, and by the
// same names as tags.
func (rt *route) groupSelectors(list []invalidation.Selector, r *http.Request, e *store.Entry) []invalidation.Selector {
	f := fieldIn(e.Fields, "Cache-Groups")
	if f == nil {
		return list
	}
	from := anyHost
	if !rt.anyHost {
		from = originOf(r)
	}
	for _, group := range policy.ParseGroups(f.Values) {
		list = append(list, invalidation.Select(invalidation.Tag, group), invalidation.Select(invalidation.Tag, originGroup(from, group)))
	}
	return list
}

// originGroup is a group's name among those of all origins; no tag has a NUL.
func originGroup(origin, group string) string { return origin + "\x00" + group }

// originOf is a request's origin as keys have it, but for a port that http or https implies.
func originOf(r *http.Request) string { return withoutImpliedPort(string(appendHost(nil, r))) }

// announce appends tags to the groups that a response already belongs to.
func announce(h http.Header, tags []string) {
	if value := policy.FormatGroups(tags); value != "" {
		h["Cache-Groups"] = append(slices.Clip(h["Cache-Groups"]), value)
	}
}
