package middleware

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/larderhq/larder/internal/policy"
)

// Why a request was not answered from the store, in the words of Cache-Status (RFC 9211 §2.2).
const (
	fwdBypass   = "bypass"
	fwdMethod   = "method"
	fwdURIMiss  = "uri-miss"
	fwdVaryMiss = "vary-miss"
	fwdRequest  = "request"
	fwdStale    = "stale"
)

// Details of Cache-Status (RFC 9211 §2.8), beside the policy.Reasons. What is found out in both places has one text.
const (
	detailAuthorization = string(policy.ReasonAuthorization)
	detailBody          = "body"
	detailBodySize      = "body-size"
	detailBudget        = "budget"
	detailCatchUp       = "read-your-writes"
	detailCertificate   = string(policy.ReasonCertificate)
	detailConnection    = "connection"
	detailCookie        = string(policy.ReasonCookie)
	detailError         = "error"
	detailEvents        = "event-stream"
	detailFlush         = "flush"
	detailHijack        = "hijack"
	detailIdentity      = string(policy.ReasonIdentity)
	detailIncomplete    = "incomplete"
	detailInvalidated   = "invalidated"
	detailKeyLength     = "key-length"
	detailMasked        = "credentials"
	detailNonce         = "nonce"
	detailOnError       = "stale-if-error"
	detailParam         = "param"
	detailPath          = "path"
	detailPrecondition  = "precondition"
	detailSelfRedirect  = "self-redirect"
	detailTimeout       = "timeout"
	detailTrailer       = string(policy.ReasonTrailer)
	detailUpgrade       = "upgrade"
	detailUser          = "user"
	detailUserinfo      = "userinfo"
)

const cacheName = "larder"

var xHit, xMiss = []string{"Hit"}, []string{"Miss"}

// cacheStatus is our member of Cache-Status (RFC 9211).
type cacheStatus struct {
	fwd       string // "" for a hit
	fwdStatus int    // the handler's status, where it differs from what the client gets
	ttl       int64  // seconds of freshness left; for a hit
	stored    bool
	collapsed bool
	detail    string
	key       string
}

func (s cacheStatus) String() string {
	b := append(make([]byte, 0, 128), cacheName...)
	if s.fwd == "" {
		b = strconv.AppendInt(append(b, "; hit; ttl="...), s.ttl, 10)
	} else {
		b = append(append(b, "; fwd="...), s.fwd...)
	}
	if s.fwdStatus != 0 {
		b = strconv.AppendInt(append(b, "; fwd-status="...), int64(s.fwdStatus), 10)
	}
	if s.stored {
		b = append(b, "; stored"...)
	}
	if s.collapsed {
		b = append(b, "; collapsed"...)
	}
	b = appendTokenOrString(b, "; detail=", s.detail)
	return string(appendString(b, "; key=", s.key))
}

// filled is what most misses say.
var (
	filled     = cacheStatus{fwd: fwdURIMiss, stored: true}
	filledList = []string{filled.String()}
)

// list is the member as the lines of a field, which nobody may change.
func (s cacheStatus) list() []string {
	if s == filled {
		return filledList
	}
	return []string{s.String()}
}

// addTo appends the member to what an origin or another cache behind us has said.
func (s cacheStatus) addTo(h http.Header) {
	h["Cache-Status"] = append(slices.Clip(h["Cache-Status"]), s.String())
}

// status is what Cache-Status says of a run; the key is the primary one, as which variant the response becomes shows when it is stored.
func (u *run) status() cacheStatus {
	s := cacheStatus{fwd: u.fwd, detail: u.reason}
	if u.rt.c.opt.StatusKey {
		s.key = u.key
	}
	return s
}

// appendTokenOrString writes a token as it is and anything else as a string (RFC 9651 §3.3).
func appendTokenOrString(b []byte, param, s string) []byte {
	if policy.IsToken(s) && (s[0] == '*' || s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z') {
		return append(append(b, param...), s...)
	}
	return appendString(b, param, s)
}

// appendString writes s as a structured-field string; what cannot stand in one becomes a question mark.
func appendString(b []byte, param, s string) []byte {
	if s == "" {
		return b
	}
	b = append(append(b, param...), '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20 || c >= 0x7f:
			b = append(b, '?')
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
