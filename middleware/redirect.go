package middleware

import (
	"cmp"
	"net/http"
	"net/url"
)

// leadsBack reports whether a redirect leads to another URI with the request's own key: from http to https behind a proxy that ends
// TLS, to the query in another order, to another name of a host that is not in the key. Stored, it would answer the very request
// that it asks for, for as long as it is fresh. One to the same URI is the handler's own loop.
func (rt *route) leadsBack(r *http.Request, status int, location string) bool {
	if status < 300 || status > 399 || location == "" {
		return false
	}
	from := targetURL(r)
	from.RawQuery, from.ForceQuery = r.URL.RawQuery, r.URL.ForceQuery
	to, err := from.Parse(location)
	return err == nil && to.String() != from.String() &&
		(rt.anyHost || canonicalHost(to.Host) == canonicalHost(from.Host)) &&
		cmp.Or(to.EscapedPath(), "/") == cmp.Or(from.EscapedPath(), "/") &&
		rt.queryKey(to.RawQuery) == rt.queryKey(from.RawQuery)
}

// targetURL is the target URI by the scheme of its connection (RFC 9110 §7.1), without the query.
func targetURL(r *http.Request) *url.URL {
	u := url.URL{Scheme: connectionScheme(r), Host: r.Host}
	if parsed, err := url.ParseRequestURI(originalPath(r)); err == nil {
		u.Path, u.RawPath = parsed.Path, parsed.RawPath
	}
	return &u
}

func connectionScheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// queryKey is what a key holds of a query.
func (rt *route) queryKey(query string) string {
	return string(rt.appendQuery([]byte{'('}, query))
}
