package middleware

import (
	"net/http"
	"strconv"
	"strings"
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

// Details of Cache-Status (RFC 9211 §2.7) that are not a policy.Reason.
const (
	detailAuthorization = "authorization"
	detailBody          = "body"
	detailBodySize      = "body-size"
	detailBudget        = "budget"
	detailCatchUp       = "read-your-writes"
	detailCookie        = "cookie"
	detailError         = "error"
	detailFlush         = "flush"
	detailHijack        = "hijack"
	detailIncomplete    = "incomplete"
	detailInvalidated   = "invalidated"
	detailKeyLength     = "key-length"
	detailOnError       = "stale-if-error"
	detailParam         = "param"
	detailPath          = "path"
	detailPrecondition  = "precondition"
	detailTimeout       = "timeout"
	detailTrailer       = "trailer"
	detailUpgrade       = "upgrade"
	detailUser          = "user"
	detailValidate      = "must-revalidate"
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
	var b strings.Builder
	b.WriteString(cacheName)
	if s.fwd == "" {
		b.WriteString("; hit; ttl=")
		b.WriteString(strconv.FormatInt(s.ttl, 10))
	} else {
		b.WriteString("; fwd=")
		b.WriteString(s.fwd)
	}
	if s.fwdStatus != 0 {
		b.WriteString("; fwd-status=")
		b.WriteString(strconv.Itoa(s.fwdStatus))
	}
	if s.stored {
		b.WriteString("; stored")
	}
	if s.collapsed {
		b.WriteString("; collapsed")
	}
	writeText(&b, "; detail=", s.detail)
	writeString(&b, "; key=", s.key)
	return b.String()
}

func (s cacheStatus) list() []string { return []string{s.String()} }

// addTo appends the member to what an origin or another cache behind us has said.
func (s cacheStatus) addTo(h http.Header) {
	h["Cache-Status"] = append(h["Cache-Status"][:len(h["Cache-Status"]):len(h["Cache-Status"])], s.String())
}

// writeText writes a token as it is and anything else as a string (RFC 9651 §3.3).
func writeText(b *strings.Builder, param, s string) {
	if s != "" && token(s) && (s[0] == '*' || s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z') {
		b.WriteString(param)
		b.WriteString(s)
		return
	}
	writeString(b, param, s)
}

// writeString writes s as a structured-field string; what cannot stand in one becomes a question mark.
func writeString(b *strings.Builder, param, s string) {
	if s == "" {
		return
	}
	b.WriteString(param)
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20 || c >= 0x7f:
			b.WriteByte('?')
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}
