package policy

import (
	"net/http"
	"time"
)

const (
	// heuristicFraction of the time since Last-Modified is the heuristic lifetime: the 10 % of RFC 9111 §4.2.2.
	heuristicFraction = 10
	// heuristicLimit is the longest heuristic lifetime.
	heuristicLimit = 24 * time.Hour
)

// lifetime is the freshness lifetime (RFC 9111 §4.2.1): what the handler asked for, the response's own, the route's
// for its status, a heuristic one. named is false where nothing gives one.
func lifetime(res *Response, rules *Rules, d *ResponseDirectives, targeted bool) (life time.Duration, source Source, named bool) {
	// A 5xx is an accident that came after the handler's call; a handler that means it says so in its fields.
	if rules.Override > 0 && res.Status < http.StatusInternalServerError {
		return clamp(rules.Override), Route, true
	}
	if life, named = explicit(res, d, targeted); named {
		return life, Explicit, true
	}
	if life, named = rules.Negative[res.Status]; named {
		return clamp(life), Route, true
	}
	if rules.TTL > 0 && takesRouteLifetime(res.Status) {
		return clamp(rules.TTL), Route, true
	}
	if rules.Heuristic && (HeuristicallyCacheable(res.Status) || d.Public) {
		life, named = heuristic(res)
	}
	return life, Heuristic, named
}

// explicit is the lifetime that the response's own fields give: s-maxage, max-age, Expires minus Date. Whatever is
// present but invalid is a lifetime of 0; that keeps every later source from lengthening it (RFC 9111 §4.2.1, §5.3).
func explicit(res *Response, d *ResponseDirectives, targeted bool) (time.Duration, bool) {
	switch {
	case d.SMaxAge != Unset:
		return d.SMaxAge, true
	case d.MaxAge != Unset:
		return d.MaxAge, true
	case targeted || len(res.Header["Expires"]) == 0:
		return 0, false
	}
	expires, ok := fieldDate(res.Header, "Expires", res.ResponseTime)
	if !ok {
		return 0, true
	}
	return clamp(expires.Sub(origination(res))), true
}

// origination is the response's Date, so that both ends of a lifetime are read from the origin's clock, or the time
// it was received where there is none that is valid (RFC 9111 §4.2.1).
func origination(res *Response) time.Time {
	if date, ok := fieldDate(res.Header, "Date", res.ResponseTime); ok {
		return date
	}
	return res.ResponseTime
}

// heuristic is a fraction of the time between Last-Modified and Date (RFC 9111 §4.2.2).
func heuristic(res *Response) (time.Duration, bool) {
	modified, ok := fieldDate(res.Header, "Last-Modified", res.ResponseTime)
	if !ok {
		return 0, false
	}
	return min(clamp(origination(res).Sub(modified))/heuristicFraction, heuristicLimit), true
}
