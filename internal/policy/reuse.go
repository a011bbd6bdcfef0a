package policy

import "time"

// Verdict says how a stored response may answer a request.
type Verdict uint8

const (
	// Fresh serves it (RFC 9111 §4.2).
	Fresh Verdict = iota
	// StaleAllowed serves it although it is stale, since the request's max-stale accepts that (RFC 9111 §5.2.1.2).
	StaleAllowed
	// StaleWhileRevalidate serves it stale and refreshes it in the background (RFC 5861 §3).
	StaleWhileRevalidate
	// Validate asks the handler first (RFC 9111 §4.3).
	Validate
)

// validatable is how much longer a response is kept that is stale and can still be of use.
const validatable = time.Hour

// Age is current_age at now (RFC 9111 §4.2.3). A clock that went back makes no response younger than it came.
func (t *Terms) Age(now time.Time) time.Duration {
	at := now.UnixNano()
	if at <= t.ResponseTime {
		return t.InitialAge
	}
	resident := time.Duration(at - t.ResponseTime)
	if resident < 0 || resident > maxDuration { // The subtraction may have wrapped around.
		return maxDuration
	}
	return min(t.InitialAge+resident, maxDuration)
}

// Ahead reports whether ResponseTime is later than now by more than clocks that agree are apart. Then our clock is wrong, or that of
// the process that stored the response, and nobody can tell how old the response is.
func (t *Terms) Ahead(now time.Time) bool {
	return t.ResponseTime-now.UnixNano() > int64(clockAgreement)
}

// Remaining is the freshness lifetime less the current age; it is negative by how long the response is stale.
func (t *Terms) Remaining(now time.Time) time.Duration { return t.Lifetime - t.Age(now) }

// Reuse says how the stored response may answer a request at now. d is nil where the request's directives do not
// count. no-store is no reason against reuse: it "does not apply to the already stored response" (RFC 9111 §5.2.1.5).
func (t *Terms) Reuse(now time.Time, d *RequestDirectives) Verdict {
	if t.AlwaysValidate {
		return Validate
	}
	remaining := t.Remaining(now)
	if d != nil && !d.accept(t.Lifetime-remaining, remaining) {
		return Validate
	}
	switch {
	case remaining > 0:
		return Fresh
	case t.MustRevalidate:
		return Validate
	case within(-remaining, t.WhileRevalidate) && (d == nil || d.MaxAge == Unset || -remaining <= d.MaxStale):
		return StaleWhileRevalidate
	case d != nil && -remaining <= d.MaxStale:
		return StaleAllowed
	}
	return Validate
}

// accept reports whether no-cache, max-age and min-fresh permit a response of this age (RFC 9111 §5.2.1). max-age=0
// asks for the handler even in the instant of storing: §4 names it beside no-cache as the way to get past a cache.
func (r *RequestDirectives) accept(age, remaining time.Duration) bool {
	return !r.NoCache &&
		(r.MaxAge == Unset || age <= r.MaxAge && r.MaxAge > 0) &&
		(r.MinFresh <= 0 || remaining >= r.MinFresh)
}

// within reports whether a response that is stale for this long is inside a window; a window of 0 is none.
func within(stale, window time.Duration) bool { return window > 0 && stale <= window }

// ServableOnError reports whether the stored response may stand in for a handler that failed: within stale-if-error
// of the response or the request, "regardless of other freshness information" (RFC 5861 §4), unless staleness is
// forbidden (RFC 9111 §4.2.4) or the request says no-cache, which accepts nothing that is not validated.
func (t *Terms) ServableOnError(now time.Time, d *RequestDirectives) bool {
	if t.AlwaysValidate || t.MustRevalidate {
		return false
	}
	window := t.IfError
	if d != nil {
		if d.NoCache {
			return false
		}
		window = max(window, d.IfError)
	}
	return within(-t.Remaining(now), window)
}

// Retention is how long a store keeps the response, counted from ResponseTime: what is left of its lifetime, the
// longest stale window, and an hour more while validation or a client's max-stale can still make use of it. Under a
// lifetime that the route gave, a client's max-stale does not count.
func (t *Terms) Retention(hasValidator bool) time.Duration {
	kept := max(0, t.Lifetime-t.InitialAge+max(t.WhileRevalidate, t.IfError))
	if hasValidator || t.Source != Route && t.Lifetime > 0 && !t.MustRevalidate {
		kept += validatable
	}
	return kept
}
