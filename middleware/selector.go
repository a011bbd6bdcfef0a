package middleware

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/larderhq/larder/internal/invalidation"
)

// Selector names entries for Invalidate and Expire.
type Selector struct {
	kind  invalidation.Kind
	value string
}

func (s Selector) selector() invalidation.Selector { return invalidation.Select(s.kind, s.value) }

// Tag selects the entries that bear a tag: of the rule Tags with its wildcards filled in, of Entry(r).Tag, or of the
// response's Cache-Groups (RFC 9875).
func Tag(name string) Selector { return Selector{invalidation.Tag, name} }

// Path selects the entries of an escaped path, as in "/items/1", whatever their query, parameters and variants, and whichever of its octets
// the client has escaped; with a host before it, as in "shop.example/items/1", only those that answer for that host. Of a whole URL, scheme
// and query are left out, and the ports that http and https imply.
func Path(path string) Selector {
	path, _, _ = strings.Cut(path, "?")
	rest := strings.TrimPrefix(strings.TrimPrefix(path, "http://"), "https://")
	if rest != path && !strings.Contains(rest, "/") { // a URL with no path is that of "/"
		rest += "/"
	}
	path = rest
	if i := strings.IndexByte(path, '/'); i >= 0 {
		path = canonicalHost(path[:i]) + unescapedPath(path[i:]) // as entries have it
	}
	return Selector{invalidation.Path, path}
}

// unescapedPath is the one form of all paths that are the same URI however their octets are escaped: /caf%C3%A9 and /caf%c3%a9, /%7Eann and
// /~ann (RFC 9110 §4.2.3). Keys tell them apart, as a response may show its own; a purge is to reach them all. That it takes an escaped
// slash for a slash costs a miss.
func unescapedPath(path string) string {
	if unescaped, err := url.PathUnescape(path); err == nil {
		return unescaped
	}
	return path
}

// canonicalHost is a host as keys have it, but for the port that http or https implies.
func canonicalHost(host string) string { return withoutImpliedPort(string(appendHostName(nil, host))) }

// withoutImpliedPort takes off a port that a host, as keys have it, is the same without (RFC 9110 §4.2.3); one that is empty ends in an
// escaped colon. Keys keep it, as a response may show it; a purge, which is to reach all that has an equivalent URI, does not ask for
// the scheme, since a proxy before us may have ended TLS.
func withoutImpliedPort(host string) string {
	for _, port := range [...]string{":80", ":443", "%3A"} {
		if name, implied := strings.CutSuffix(host, port); implied {
			return name
		}
	}
	return host
}

// ofAnyHost selects what answers for the path of s on every host, where s is one of a certain host.
func (s Selector) ofAnyHost() (Selector, bool) {
	i := strings.IndexByte(s.value, '/')
	if s.kind != invalidation.Path || i <= 0 {
		return Selector{}, false
	}
	return Selector{s.kind, anyHost + s.value[i:]}, true
}

// Route selects the entries of a route by its Name or, without one, its route pattern as the router reports it. A middleware around
// a whole router comes before the pattern is known: what it stores is selected by Tag or Path.
func Route(name string) Selector { return Selector{invalidation.Route, name} }

// Key selects the entry of one key, in all its variants: a key as the log at debug level or Options.StatusKey shows it.
func Key(key string) Selector { return Selector{invalidation.Key, primaryKey(key)} }

// primaryKey is a key without its variant.
func primaryKey(key string) string {
	if i := strings.LastIndexByte(key, ')'); i >= 0 && strings.HasSuffix(key, "}") {
		return key[:i+1]
	}
	return key
}

// All selects every entry.
func All() Selector { return Selector{invalidation.Everything, ""} }

// ErrNothingSelected is returned by Invalidate and Expire when they are called without selectors, or with one that no entry can
// bear: an empty text, or a path without a slash. The other selectors count all the same.
var ErrNothingSelected = errors.New("larder: nothing selected: give a Tag, Path, Route or Key, or All()")

// void reports whether no entry can bear the selector, as when a variable was empty.
func (s Selector) void() bool {
	switch s.kind {
	case invalidation.Everything:
		return false
	case invalidation.Path:
		return !strings.Contains(s.value, "/")
	}
	return s.value == ""
}

// Invalidate makes the selected entries unusable, in this process from the moment of the call and in every other at the latest
// one lease after it returned nil. It is one write to the log, however many entries are concerned. Call it after the change is
// committed: a purge made before may be overtaken by a handler that reads the old data.
// An error says that the log could not be written: this process goes on treating the entries as invalid and tries again.
func (c *Cache) Invalidate(ctx context.Context, what ...Selector) error {
	return c.append(ctx, false, what)
}

// Expire makes the selected entries stale: until their lifetime is over they are still served while one refresh runs, with or without the
// rule Stale. Where the response forbids that (must-revalidate, proxy-revalidate, s-maxage) the handler is asked first; what has a validator
// is only validated.
func (c *Cache) Expire(ctx context.Context, what ...Selector) error {
	return c.append(ctx, true, what)
}

func (c *Cache) append(ctx context.Context, soft bool, what []Selector) error {
	var void error
	records := make([]invalidation.Record, 0, len(what))
	for _, s := range what {
		if s.void() {
			void = ErrNothingSelected
			continue
		}
		records = append(records, invalidation.Record{Selector: s.selector(), Soft: soft})
		if of, ok := s.ofAnyHost(); ok {
			records = append(records, invalidation.Record{Selector: of.selector(), Soft: soft})
		}
	}
	if len(records) == 0 {
		return ErrNothingSelected
	}
	c.stats.invalidations.Add(int64(len(records)))
	_, err := c.log.Append(ctx, records...)
	return cmp.Or(err, void)
}
