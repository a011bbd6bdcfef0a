package policy

import (
	"math"
	"net/textproto"
	"strings"
	"time"
)

// Unset is the value of a directive that is absent.
const Unset time.Duration = -1

// RequestDirectives are what a request's Cache-Control says (RFC 9111 §5.2.1, RFC 5861 §4). Only ParseRequest makes
// them: the zero value is not "nothing said", since its MaxAge is 0.
type RequestDirectives struct {
	NoCache, NoStore, OnlyIfCached bool
	// Unset when absent or invalid; of several values the one that asks for the fresher response. MaxStale without
	// a value is math.MaxInt64.
	MaxAge, MaxStale, MinFresh time.Duration
	// IfError is stale-if-error, with which a client accepts a stale response where the handler fails.
	IfError time.Duration
}

// ParseRequest reads the lines of a request's Cache-Control and Pragma fields. "Pragma: no-cache" counts as no-cache
// where there is no Cache-Control field (RFC 9111 §5.4, RFC 7234 §5.4). It does not allocate.
func ParseRequest(cacheControl, pragma []string) RequestDirectives {
	r := RequestDirectives{MaxAge: Unset, MaxStale: Unset, MinFresh: Unset, IfError: Unset}
	if len(cacheControl) == 0 {
		r.NoCache = pragmaNoCache(pragma)
		return r
	}
	for _, line := range cacheControl {
		s := scanner{rest: line}
		for d, ok := s.next(); ok; d, ok = s.next() {
			r.add(&d)
		}
	}
	return r
}

func pragmaNoCache(lines []string) bool {
	for _, line := range lines {
		s := scanner{rest: line}
		for d, ok := s.next(); ok; d, ok = s.next() {
			if d.is("no-cache") {
				return true
			}
		}
	}
	return false
}

func (r *RequestDirectives) add(d *directive) {
	switch {
	case d.is("no-cache"):
		r.NoCache = true
	case d.is("no-store"):
		r.NoStore = true
	case d.is("only-if-cached"):
		r.OnlyIfCached = r.OnlyIfCached || d.bare()
	case d.is("max-stale") && d.bare():
		r.MaxStale = lesser(r.MaxStale, math.MaxInt64)
	case d.is("max-stale"):
		r.MaxStale = lesserValid(r.MaxStale, d)
	case d.is("max-age"):
		r.MaxAge = lesserValid(r.MaxAge, d)
	case d.is("stale-if-error"):
		r.IfError = lesserValid(r.IfError, d)
	case d.is("min-fresh"):
		if v, ok := d.seconds(); ok {
			r.MinFresh = max(r.MinFresh, v)
		}
	}
}

// lesserValid is lesser for the directive's argument; an invalid one changes nothing, requests are only advice.
func lesserValid(so time.Duration, d *directive) time.Duration {
	if v, ok := d.seconds(); ok {
		return lesser(so, v)
	}
	return so
}

// lesser returns the smaller of a value that may be Unset and v.
func lesser(so, v time.Duration) time.Duration {
	if so == Unset {
		return v
	}
	return min(so, v)
}

// ResponseDirectives are what a response's Cache-Control, or a field targeted at this cache, says (RFC 9111 §5.2.2,
// RFC 5861). Of several values of one directive the smallest counts; an invalid one counts as 0, so that it is stale
// (RFC 9111 §4.2.1) and never longer than was meant.
type ResponseDirectives struct {
	NoStore, NoCache, Private       bool // NoCache and Private: the forms without field names
	Public, MustUnderstand          bool
	MustRevalidate, ProxyRevalidate bool
	NoCacheFields, PrivateFields    []string // canonical names of the forms with field names

	MaxAge, SMaxAge, WhileRevalidate, IfError time.Duration // Unset when absent

	Invalid bool // a duration was not delta-seconds
}

// ParseResponse reads the lines of a response's Cache-Control field. It allocates only for field names.
func ParseResponse(cacheControl []string) ResponseDirectives {
	r := noDirectives()
	for _, line := range cacheControl {
		s := scanner{rest: line}
		for d, ok := s.next(); ok; d, ok = s.next() {
			r.add(&d)
		}
	}
	return r
}

func noDirectives() ResponseDirectives {
	return ResponseDirectives{MaxAge: Unset, SMaxAge: Unset, WhileRevalidate: Unset, IfError: Unset}
}

func (r *ResponseDirectives) add(d *directive) {
	switch {
	case d.is("max-age"):
		r.duration(&r.MaxAge, d)
	case d.is("s-maxage"):
		r.duration(&r.SMaxAge, d)
	case d.is("stale-while-revalidate"):
		r.duration(&r.WhileRevalidate, d)
	case d.is("stale-if-error"):
		r.duration(&r.IfError, d)
	case d.is("no-store"):
		r.NoStore = true
	case d.is("no-cache"):
		qualify(d, &r.NoCache, &r.NoCacheFields)
	case d.is("private"):
		qualify(d, &r.Private, &r.PrivateFields)
	case d.is("must-revalidate"):
		r.MustRevalidate = true
	case d.is("proxy-revalidate"):
		r.ProxyRevalidate = true
	case d.is("public"):
		r.Public = r.Public || d.bare()
	case d.is("must-understand"):
		r.MustUnderstand = r.MustUnderstand || d.bare()
	}
}

func (r *ResponseDirectives) duration(field *time.Duration, d *directive) {
	v, ok := d.seconds()
	r.Invalid = r.Invalid || !ok
	*field = lesser(*field, v)
}

// qualify notes no-cache or private: with an argument that is a list of field names it concerns those alone
// (RFC 9111 §5.2.2.4, §5.2.2.7), with anything else the whole response.
func qualify(d *directive, all *bool, fields *[]string) {
	names, ok := fieldNames(d)
	if !ok {
		*all = true
		return
	}
	*fields = append(*fields, names...)
}

func qualified(d *directive) bool {
	_, ok := fieldNames(d)
	return ok
}

func fieldNames(d *directive) (names []string, ok bool) {
	if d.malformed || !d.hasValue {
		return nil, false
	}
	for name := range Members([]string{d.value}) {
		if !IsToken(name) {
			return nil, false
		}
		names = append(names, textproto.CanonicalMIMEHeaderKey(name))
	}
	return names, len(names) > 0
}

// stalePermitted reports whether nothing forbids a stale response (RFC 9111 §4.2.4). s-maxage "incorporates the
// semantics of proxy-revalidate" for a shared cache (§5.2.2.10).
func (r *ResponseDirectives) stalePermitted() bool {
	return !r.NoCache && !r.MustRevalidate && !r.ProxyRevalidate && r.SMaxAge == Unset
}

// shareable reports whether the response may answer a request with credentials (RFC 9111 §3.5).
func (r *ResponseDirectives) shareable() bool {
	return r.Public || r.MustRevalidate || r.SMaxAge != Unset && !r.Invalid
}

// RewriteClient returns one Cache-Control value of the lines' members, without those for whose name (in lower case)
// drop is true, and with add behind them. Members keep their text; one whose quoted-string has no end is left out,
// since it would swallow what follows it. no-cache with field names always stays: it is no freshness, and without it
// the next cache would replay what it withholds, a Set-Cookie say (RFC 9111 §5.2.2.4).
func RewriteClient(cacheControl []string, drop func(directive string) bool, add ...string) string {
	var kept []string
	for _, line := range cacheControl {
		for more := true; more; {
			var member string
			member, line, more = cutMember(line)
			if member != "" && !dropped(member, drop) {
				kept = append(kept, member)
			}
		}
	}
	return strings.Join(append(kept, add...), ", ")
}

func dropped(member string, drop func(string) bool) bool {
	s := scanner{rest: member}
	for d, ok := s.next(); ok; d, ok = s.next() {
		if d.is("no-cache") && qualified(&d) {
			continue
		}
		if drop(strings.ToLower(d.name)) {
			return true
		}
	}
	return s.tainted
}
