package policy

import (
	"iter"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// Unstored returns which fields of a response, by canonical name, are never stored (RFC 9111 §3.1): those of one
// connection, those that Connection names, those of a proxy, and those that the forms of no-cache and private with
// field names withhold (§5.2.2.4, §5.2.2.7). targets are as in Rules. It does not allocate where only the first are
// concerned.
func Unstored(h http.Header, targets ...string) func(name string) bool {
	d, _ := directivesOf(h, targets)
	connection := h["Connection"]
	if len(connection) == 0 && d.NoCacheFields == nil && d.PrivateFields == nil {
		return hopByHop
	}
	withheld := slices.Concat(d.NoCacheFields, d.PrivateFields)
	return func(name string) bool {
		return hopByHop(name) || slices.Contains(withheld, name) || nominated(connection, name)
	}
}

// Withheld returns the directive that withholds the same fields as no-cache and private with field names do here, or "". Who makes a
// targeted field of his own must say it there too: a cache that obeys it goes by nothing else (RFC 9213 §2.2).
func Withheld(h http.Header, targets ...string) string {
	d, _ := directivesOf(h, targets)
	names := slices.Concat(d.NoCacheFields, d.PrivateFields)
	if len(names) == 0 {
		return ""
	}
	return `no-cache="` + strings.Join(names, ", ") + `"`
}

// hopByHop reports whether a field concerns one connection or a proxy (RFC 9110 §7.6.1, RFC 9111 §3.1). TE and
// Trailer are named in RFC 9110 §10.1.4 and §6.6.2.
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings",
		"Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization":
		return true
	}
	return false
}

// withholds reports whether no-cache or private names the field.
func (r *ResponseDirectives) withholds(name string) bool {
	return slices.Contains(r.NoCacheFields, name) || slices.Contains(r.PrivateFields, name)
}

// nominated reports whether a Connection field names the field.
func nominated(connection []string, name string) bool {
	for option := range Members(connection) {
		if strings.EqualFold(option, name) {
			return true
		}
	}
	return false
}

// Severed reports whether a request's Connection lines name a field of its header h that is meant for all recipients, not for one
// connection. A proxy that forwards the request has to remove such a field (RFC 9110 §7.6.1), so that the response may have been
// selected without it. It does not allocate for the options that clients send.
func Severed(connection []string, h http.Header) bool {
	for option := range Members(connection) {
		if strings.EqualFold(option, "keep-alive") || strings.EqualFold(option, "close") {
			continue
		}
		name := textproto.CanonicalMIMEHeaderKey(option)
		if len(h[name]) > 0 && !hopByHop(name) {
			return true
		}
	}
	return false
}

// Members are the members of a list whose lines these are (RFC 9110 §5.6.1), but for empty ones. No member may hold a comma: it is for
// lists of names.
func Members(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for member := range strings.SplitSeq(line, ",") {
				if member = trim(member); member != "" && !yield(member) {
					return
				}
			}
		}
	}
}
