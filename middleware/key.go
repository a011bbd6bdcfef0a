package middleware

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/larderhq/larder/internal/policy"
	"github.com/larderhq/larder/keybuilder"
)

// maxKeyBytes bounds a key: a longer one is no cache's business, and its request passes by.
const maxKeyBytes = 16 << 10

// appendKey appends the key of a request, or returns the reason why the request has none. docs/keys.md has the format and why
// two resources never share a key.
func (rt *route) appendKey(dst []byte, r *http.Request) (key []byte, detail string) {
	path := originalPath(r)
	switch {
	case !strings.HasPrefix(path, "/"):
		return dst, detailPath
	case r.URL.User != nil: // credentials, or an error (RFC 9110 §4.2.4)
		return dst, detailUserinfo
	}
	dst = append(dst, rt.keyPrefix...)
	if rt.name == "" {
		if !rt.anyHost {
			dst = appendHost(dst, r)
		}
		dst = append(append(dst, path...), '(')
	} else {
		dst = append(append(dst, rt.keyName...), '(')
		dst = rt.appendResource(dst, r, path)
	}
	if rewritten(r, path) {
		dst = append(separated(dst), "path:"...)
		dst = keybuilder.AppendText(dst, r.URL.EscapedPath())
	}
	if scheme := rt.oddScheme(r); scheme != "" {
		dst = keybuilder.AppendText(append(separated(dst), "scheme:"...), scheme)
	}
	if len(rt.params) > 0 { // asking before each of these calls spares a hit that needs none of them 15 ns
		if dst, detail = rt.appendParams(dst, r); detail != "" {
			return dst, detail
		}
	}
	if r.URL.RawQuery != "" && rt.queryMode != queryNone {
		dst = rt.appendQuery(dst, r.URL.RawQuery)
	}
	if len(rt.headers)+len(rt.cookies) > 0 {
		dst = rt.appendSelected(dst, r)
	}
	if rt.user != nil {
		user := rt.user(r)
		if user == "" {
			return dst, detailUser
		}
		dst = appendDigest(append(separated(dst), "user:="...), user)
	}
	dst = append(dst, ')')
	if len(dst) > maxKeyBytes {
		return dst, detailKeyLength
	}
	return dst, ""
}

// separated appends the comma that goes before every parameter but the first.
func separated(dst []byte) []byte {
	if dst[len(dst)-1] == '(' {
		return dst
	}
	return append(dst, ',')
}

// appendTarget appends host and original escaped path: what was asked for, whatever routers made of it since.
func (rt *route) appendTarget(dst []byte, r *http.Request) []byte {
	if !rt.anyHost {
		dst = appendHost(dst, r)
	}
	return append(dst, originalPath(r)...)
}

// appendHost appends the host, with the scheme before it where the request came over TLS: a redirect from http to https must not
// answer the https request.
func appendHost(dst []byte, r *http.Request) []byte {
	if r.TLS != nil {
		dst = append(dst, "https://"...)
	}
	return appendHostName(dst, r.Host)
}

// appendHostName appends a host in lower case. One that ends in a colon is written so that it does not look like a scheme.
func appendHostName(dst []byte, host string) []byte {
	start := 0
	for i := range len(host) {
		c := host[i]
		if !oddInHost[c] || c == ':' && i < len(host)-1 {
			continue
		}
		dst = append(dst, host[start:i]...)
		start = i + 1
		if 'A' <= c && c <= 'Z' {
			dst = append(dst, c+('a'-'A'))
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return append(dst, host[start:]...)
}

// oddScheme returns the scheme of the target URI where the host does not say it: it is another one than the connection's, in
// absolute-form or by the word of an outer middleware, or the host is left out, and TLS with it.
func (rt *route) oddScheme(r *http.Request) string {
	switch {
	case r.URL.Scheme != "" && r.URL.Scheme != connectionScheme(r):
		return r.URL.Scheme
	case rt.anyHost && r.TLS != nil:
		return "https"
	}
	return ""
}

// oddInHost are the bytes of a host that do not go into a key as they are, and the colon.
var oddInHost = func() (odd [256]bool) {
	for c := range odd {
		odd[c] = c <= ' ' || c == 0x7f || 'A' <= c && c <= 'Z' || strings.IndexByte("/(),=%:", byte(c)) >= 0
	}
	return odd
}()

const upperHex = "0123456789ABCDEF"

// originalPath is the escaped path of the request line. It begins with a slash but for a request that has no path at all, as
// OPTIONS * has none.
func originalPath(r *http.Request) string {
	uri := r.RequestURI
	if i := strings.IndexByte(uri, '?'); i >= 0 {
		uri = uri[:i]
	}
	switch {
	case uri == "":
		return r.URL.EscapedPath()
	case uri[0] == '/':
		return uri
	}
	_, rest, _ := strings.Cut(uri, "://") // absolute-form (RFC 9112 §3.2.2)
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		return rest[slash:]
	}
	return r.URL.EscapedPath()
}

// rewritten reports whether an outer middleware gave the request another path: http.StripPrefix always does the same, others may
// go by a header or a cookie, so that the original path alone does not say which resource is meant.
func rewritten(r *http.Request, original string) bool {
	if original == r.URL.Path {
		return strings.IndexByte(original, '%') >= 0 // or it would differ, being unescaped
	}
	return r.URL.EscapedPath() != original
}

// appendResource appends what stands for the path in a named route's key: the host, then the wildcards of the pattern; where
// these do not give back the path, the path takes their place.
func (rt *route) appendResource(dst []byte, r *http.Request, original string) []byte {
	if !rt.anyHost {
		dst = appendHost(append(dst, "host="...), r)
	}
	p := rt.pattern(r.Pattern)
	if !p.expands(r, original) {
		return keybuilder.AppendText(append(separated(dst), "path="...), original)
	}
	for _, name := range p.wildcards {
		dst = append(keybuilder.AppendName(separated(dst), name), '=')
		dst = keybuilder.AppendText(dst, r.PathValue(name))
	}
	return dst
}

// appendParams appends the computed parameters; an ignored value leaves its bare name, so that their number is fixed.
func (rt *route) appendParams(dst []byte, r *http.Request) ([]byte, string) {
	for i := range rt.params {
		v, err := rt.params[i].f(r)
		if err != nil {
			return dst, detailParam
		}
		out, ignored, err := rt.c.builder.AppendParam(separated(dst), keybuilder.Param{Name: rt.params[i].name, Value: v})
		switch {
		case err != nil:
			rt.c.logger.Debug("larder: parameter refused", "route", rt.label(r), "error", err)
			return dst, detailParam
		case ignored:
			out = keybuilder.AppendName(separated(dst), rt.params[i].name)
		}
		dst = out
	}
	return dst, ""
}

// appendSelected appends the request fields and cookies that the route's rules name.
// What may be a credential goes in as a digest: keys are seen in Redis and in logs.
func (rt *route) appendSelected(dst []byte, r *http.Request) []byte {
	for _, name := range rt.headers {
		dst = append(append(separated(dst), "header:"...), name...)
		if value, present := policy.Normalize(name, fieldLines(r, name)); present {
			dst = appendMaybeSecret(append(dst, '='), name, value)
		}
	}
	for _, name := range rt.cookies {
		dst = keybuilder.AppendName(append(separated(dst), "cookie:"...), name)
		for _, cookie := range r.CookiesNamed(name) {
			dst = appendDigest(append(dst, '='), cookieText(cookie))
		}
	}
	return dst
}

func appendMaybeSecret(dst []byte, name, value string) []byte {
	if strings.HasPrefix(name, "Accept") {
		return keybuilder.AppendText(dst, value)
	}
	return appendDigest(dst, value)
}

// appendDigest appends 128 bits of SHA-256: a key must not show a credential, and nobody may find two with one digest.
func appendDigest(dst []byte, secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return hex.AppendEncode(dst, sum[:16])
}

// appendVariant appends what tells the variants of a key apart: the selecting fields that its responses' Vary names
// (RFC 9111 §4.1), absent apart from empty.
func appendVariant(dst []byte, names []string, r *http.Request) []byte {
	for i, name := range names {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		dst = append(append(dst, sep), name...)
		if value, present := policy.Normalize(name, fieldLines(r, name)); present {
			dst = appendMaybeSecret(append(dst, '='), name, value)
		}
	}
	return append(dst, '}')
}
