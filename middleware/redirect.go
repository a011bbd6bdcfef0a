package middleware

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
)

// leadsBack reports whether a redirect leads to another URI with the request's own key: from http to https behind a proxy that ends
// TLS, to the query in another order, to another name of a host that is not in the key. Stored, it would answer the very request
// that it asks for, for as long as it is fresh. One to the same URI is the handler's own loop.
func (rt *route) leadsBack(r *http.Request, status int, location string) bool {
	if status < 300 || status > 399 || location == "" {
		return false
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	from, err := url.Parse(scheme + r.Host + originalPath(r))
	if err != nil {
		return false
	}
	from.RawQuery, from.ForceQuery = r.URL.RawQuery, r.URL.ForceQuery
	to, err := from.Parse(location)
	return err == nil && to.String() != from.String() &&
		(rt.anyHost || strings.EqualFold(named(to), named(from))) &&
		cmp.Or(to.EscapedPath(), "/") == cmp.Or(from.EscapedPath(), "/") &&
		rt.queryKey(to.RawQuery) == rt.queryKey(from.RawQuery)
}

// named is a host as clients name it: without the port that its scheme implies.
func named(u *url.URL) string {
	if u.Scheme == "https" {
		return strings.TrimSuffix(u.Host, ":443")
	}
	return strings.TrimSuffix(u.Host, ":80")
}

// queryKey is what a key holds of a query.
func (rt *route) queryKey(query string) string {
	return string(rt.appendQuery([]byte{'('}, query))
}
