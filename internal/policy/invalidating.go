package policy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// SafeMethod reports whether a method is known to be safe (RFC 9110 §9.2.1), by that RFC or by the specification of PROPFIND,
// REPORT, SEARCH or QUERY. All others, unknown ones too, invalidate. Methods are case-sensitive.
func SafeMethod(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, "PROPFIND", "REPORT", "SEARCH", "QUERY":
		return true
	}
	return false
}

// NonError reports whether a response to an unsafe method invalidates: 2xx and 3xx (RFC 9111 §4.4).
func NonError(status int) bool { return status >= 200 && status <= 399 }

// InvalidationTargets returns the URIs that a non-error response to an unsafe method invalidates beside the target
// URI: those of Location and Content-Location that have the target's origin; others "MUST NOT" be (RFC 9111 §4.4).
// target is the absolute target URI. The results are absolute, without fragment and without repetition.
func InvalidationTargets(target *url.URL, h http.Header) []*url.URL {
	var found []*url.URL
	for _, name := range [...]string{"Location", "Content-Location"} {
		for _, line := range h[name] {
			u := resolve(target, trim(line))
			if u != nil && !slices.ContainsFunc(found, func(other *url.URL) bool { return *other == *u }) {
				found = append(found, u)
			}
		}
	}
	return found
}

// resolve resolves a URI reference against target; nil where it is invalid, of another origin, or target itself.
func resolve(target *url.URL, reference string) *url.URL {
	u, err := target.Parse(reference)
	if err != nil || reference == "" || !sameOrigin(target, u) {
		return nil
	}
	u.Fragment, u.RawFragment = "", ""
	u.User = nil
	if u.String() == target.String() {
		return nil
	}
	return u
}

// sameOrigin compares scheme, host and port, the scheme's default port being the same as none (RFC 9110 §4.3.1).
func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && a.Host != "" &&
		strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case strings.EqualFold(u.Scheme, "https"):
		return "443"
	case strings.EqualFold(u.Scheme, "http"):
		return "80"
	}
	return ""
}
