package middleware

import (
	"net/http"
	"strings"
)

// line is all of a request that goes into the keys of a route without further rules. The path values in those of a named route are what its
// router takes from the path by the pattern.
type line struct {
	host, uri, scheme, path, rawPath, query, pattern string
	tls                                              bool
}

func lineOf(r *http.Request) line {
	u := r.URL
	return line{r.Host, r.RequestURI, u.Scheme, u.Path, u.RawPath, u.RawQuery, r.Pattern, r.TLS != nil}
}

// is reports whether lineOf(r) is the same; to make that first would take 8 ns more.
func (l *line) is(r *http.Request) bool {
	u := r.URL
	return l.uri == r.RequestURI && l.host == r.Host && l.path == u.Path && l.query == u.RawQuery && l.rawPath == u.RawPath &&
		l.scheme == u.Scheme && l.pattern == r.Pattern && l.tls == (r.TLS != nil)
}

func (l *line) texts() [7]*string {
	return [...]*string{&l.host, &l.uri, &l.scheme, &l.path, &l.rawPath, &l.query, &l.pattern}
}

// clone is a line with texts of its own, side by side: some servers write the next request over those of the last.
func (l line) clone() line {
	var b strings.Builder
	for _, text := range l.texts() {
		b.WriteString(*text)
	}
	all := b.String()
	for _, text := range l.texts() {
		*text, all = all[:len(*text)], all[len(*text):]
	}
	return l
}

func (l *line) size() (n int) {
	for _, text := range l.texts() {
		n += len(*text)
	}
	return n
}
