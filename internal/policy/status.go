package policy

import "net/http"

// KnownStatus reports whether the cache understands a final status code: it recognises it and does all that is
// specified about caching it (RFC 9111 §3, §5.2.2.3). These are the codes of RFC 9110 §15 that are in use.
func KnownStatus(status int) bool {
	switch {
	case status >= 200 && status <= 206, status >= 300 && status <= 305, status == 307, status == 308:
		return true
	case status >= 400 && status <= 417, status == 421, status == 422, status == 426:
		return true
	}
	return status >= 500 && status <= 505
}

// HeuristicallyCacheable reports whether a status may be reused without an explicit lifetime (RFC 9110 §15.1).
func HeuristicallyCacheable(status int) bool {
	switch status {
	case 200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501:
		return true
	}
	return false
}

// StorableStatus reports whether a status may be stored as a whole response at all: it is final (RFC 9111 §3), not
// 206 or 304, and not one that "MUST NOT be stored by a cache" (RFC 6585 §3 to §6: 428, 429, 431, 511).
func StorableStatus(status int) bool {
	switch status {
	case http.StatusPartialContent, http.StatusNotModified,
		http.StatusPreconditionRequired, http.StatusTooManyRequests,
		http.StatusRequestHeaderFieldsTooLarge, http.StatusNetworkAuthenticationRequired:
		return false
	}
	return status >= 200 && status <= 599
}

// takesRouteLifetime reports whether the route's own lifetime (For) applies to a status: the ones that are a stable
// answer of the resource itself. Errors are stored only where something names them.
func takesRouteLifetime(status int) bool {
	switch status {
	case 200, 203, 204, 301, 308:
		return true
	}
	return false
}
