package policy

import (
	"net/http"
	"time"
)

// Request is what storing needs to know of the request that a response answers.
type Request struct {
	Method      string
	Credentials Reason // which it has that may forbid to store: authorization, client-certificate, cookie or identity; "" is none
}

// Response is a complete response as the handler gave it.
type Response struct {
	Status       int
	Header       http.Header
	RequestTime  time.Time // request_time of RFC 9111 §4.2.3: when the handler was called
	ResponseTime time.Time // response_time: when it answered
}

// Rules are what a route says, as far as HTTP's rules care.
type Rules struct {
	TTL          time.Duration         // the route's own lifetime (For), for the statuses that it applies to; 0 under FromHeaders
	Override     time.Duration         // what the handler asked for with Entry(r).TTL; 0 is nothing
	Negative     map[int]time.Duration // statuses kept for these durations
	FromHeaders  bool                  // RFC 9111 alone decides: no-cache may be stored for validation, Cookie is not special
	Public       bool                  // the author vouches that credentials do not matter
	Private      bool                  // one entry per user: what is private is storable, credentials do not matter
	KeyedCookies bool                  // the cookies that matter are in the key
	StoreCookies bool                  // Set-Cookie may be stored
	Heuristic    bool                  // heuristic lifetimes are allowed
	Stale        time.Duration         // stale windows of responses that name none
	StaleIfError time.Duration         // the same of stale-if-error alone, where it is the longer one
	Targets      []string              // targeted fields in order of preference (RFC 9213 §2.2); nil means CDN-Cache-Control
}

// Reason says why a response is not stored, as the detail parameter of Cache-Status (RFC 9211 §2.8); "" means that it
// is stored.
type Reason string

// The reasons.
const (
	ReasonMethod        Reason = "method"        // not GET
	ReasonStatus        Reason = "status"        // not final, never stored, not understood, or not without a lifetime
	ReasonPartial       Reason = "partial"       // 206
	ReasonTrailer       Reason = "trailer"       // announces trailer fields
	ReasonNoStore       Reason = "no-store"      // RFC 9111 §5.2.2.5
	ReasonPrivate       Reason = "private"       // RFC 9111 §5.2.2.7
	ReasonNoCache       Reason = "no-cache"      // RFC 9111 §5.2.2.4, where validation is not wanted or not possible
	ReasonSetCookie     Reason = "set-cookie"    // has a Set-Cookie field
	ReasonVary          Reason = "vary"          // varies by *
	ReasonAuthorization Reason = "authorization" // RFC 9111 §3.5
	ReasonCertificate   Reason = "client-certificate"
	ReasonCookie        Reason = "cookie"   // the request had a Cookie field
	ReasonIdentity      Reason = "identity" // the request had a field that only serves to say who asks
	ReasonExpired       Reason = "expired"  // stale from the start, and nothing could make use of it
)

// Store decides whether a response may be stored, and on which terms it is reused (RFC 9111 §3, §4.2). That the
// response is complete and that the request allows storing is the caller's to know.
func Store(req Request, res Response, rules Rules) (Terms, Reason) {
	d, targeted := directivesOf(res.Header, rules.Targets)
	if reason := refusal(&req, &res, &rules, &d); reason != "" {
		return received(&res), reason
	}
	life, source, named := lifetime(&res, &rules, &d, targeted)
	if !named && !storableUnnamed(res.Status, &rules, &d) {
		return received(&res), ReasonStatus
	}
	if source == Route && targeted && tellsClients(res.Header) {
		source = Explicit
	}
	t := Terms{
		Lifetime:       life,
		Source:         source,
		ResponseTime:   res.ResponseTime.UnixNano(),
		AlwaysValidate: d.NoCache,
		MustRevalidate: !d.stalePermitted(),
		Shareable:      d.shareable(),
		Private:        rules.Private || storesCookie(res.Header, &d),
	}
	if source != Route {
		t.InitialAge = initialAge(&res)
	}
	if !t.MustRevalidate {
		t.WhileRevalidate = window(d.WhileRevalidate, rules.Stale)
		t.IfError = window(d.IfError, max(rules.Stale, rules.StaleIfError))
	}
	return t, useless(&t, HasValidator(res.Header), rules.FromHeaders)
}

// tellsClients reports whether Cache-Control and Expires, which a targeted field leaves to others (RFC 9213 §2.2), say how
// long they may keep the response.
func tellsClients(h http.Header) bool {
	d := ParseResponse(h["Cache-Control"])
	return d.NoCache || d.NoStore || d.MaxAge != Unset || d.SMaxAge != Unset || len(h["Expires"]) > 0
}

// received are the terms of a response that is not stored: no more than its age, for the one client that gets it.
func received(res *Response) Terms {
	return Terms{InitialAge: initialAge(res), ResponseTime: res.ResponseTime.UnixNano()}
}

// window is a stale window: the response's own where it names one, else the route's.
func window(named, route time.Duration) time.Duration {
	if named != Unset {
		return named
	}
	return clamp(route)
}

// refusal says what forbids to store the response, whatever its lifetime.
func refusal(req *Request, res *Response, rules *Rules, d *ResponseDirectives) Reason {
	_, varies := VaryNames(res.Header["Vary"])
	switch {
	case req.Method != http.MethodGet:
		return ReasonMethod
	case res.Status == http.StatusPartialContent:
		return ReasonPartial
	case !StorableStatus(res.Status), d.MustUnderstand && !KnownStatus(res.Status):
		return ReasonStatus
	case len(res.Header["Trailer"]) > 0:
		return ReasonTrailer
	case d.NoStore && !d.MustUnderstand: // RFC 9111 §5.2.2.3: an understood status overrides no-store.
		return ReasonNoStore
	case d.Private && !rules.Private:
		return ReasonPrivate
	case d.NoCache && (!rules.FromHeaders || !HasValidator(res.Header)):
		return ReasonNoCache
	case refusesCookie(res.Header, rules, d):
		return ReasonSetCookie
	case varies:
		return ReasonVary
	}
	return credentials(req, rules, d)
}

// credentials says whether the request's credentials forbid to store the response. Under FromHeaders only
// Authorization counts (RFC 9111 §3.5); otherwise all do, since handlers answer them for one user.
func credentials(req *Request, rules *Rules, d *ResponseDirectives) Reason {
	switch {
	case rules.Public, rules.Private, d.shareable():
		return ""
	case rules.FromHeaders && req.Credentials != ReasonAuthorization, rules.KeyedCookies && req.Credentials == ReasonCookie:
		return ""
	}
	return req.Credentials
}

// Shareable reports whether a response says that it may answer others than the request with credentials that it answers
// (RFC 9111 §3.5).
func Shareable(h http.Header, targets []string) bool {
	d, _ := directivesOf(h, targets)
	return d.shareable()
}

// storesCookie reports whether a Set-Cookie field would be stored; one that no-cache or private names never is.
func storesCookie(h http.Header, d *ResponseDirectives) bool {
	return len(h["Set-Cookie"]) > 0 && !d.withholds("Set-Cookie")
}

// refusesCookie reports whether a Set-Cookie field forbids to store the response. To withhold the field is enough for RFC 9111. Where
// the lifetime is the route's, the response has to say that the rest is for all: what begins a session may show it in the page, and
// session managers (alexedwards/scs) add no-cache="Set-Cookie" to whatever the handler answers.
func refusesCookie(h http.Header, rules *Rules, d *ResponseDirectives) bool {
	switch {
	case len(h["Set-Cookie"]) == 0, rules.StoreCookies:
		return false
	case storesCookie(h, d):
		return true
	}
	return !rules.FromHeaders && !rules.Public && !rules.Private && !d.shareable()
}

// storableUnnamed reports whether a response may be stored without any lifetime, to be validated: its status is
// heuristically cacheable or it is public (RFC 9111 §3). Where the route names lifetimes it is not.
func storableUnnamed(status int, rules *Rules, d *ResponseDirectives) bool {
	return rules.FromHeaders && (HeuristicallyCacheable(status) || d.Public)
}

// useless returns ReasonExpired for what is stale from the start and can neither be validated nor served stale. A
// lifetime that passed on the way still serves clients that send max-stale, one of 0 was meant to serve nobody.
func useless(t *Terms, validator, fromHeaders bool) Reason {
	switch {
	case t.Lifetime > t.InitialAge && !t.AlwaysValidate:
		return ""
	case t.WhileRevalidate > 0 || t.IfError > 0:
		return ""
	case fromHeaders && (validator || t.Lifetime > 0 && !t.MustRevalidate):
		return ""
	}
	return ReasonExpired
}

// HasValidator reports whether the response can be validated with the handler: it has an ETag or a valid
// Last-Modified field (RFC 9110 §8.8).
func HasValidator(h http.Header) bool {
	if tag, ok := Singleton(h["Etag"]); ok && tag != "" {
		return true
	}
	modified, _ := Singleton(h["Last-Modified"])
	_, ok := ParseDate(modified)
	return ok
}
