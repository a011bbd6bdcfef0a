package middleware

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzKeys lets two requests be read as net/http's server reads them. If a handler can tell them apart by TLS, host, path or
// query, their keys must differ, whatever the route says; the order of differently named parameters does not count.
func FuzzKeys(f *testing.F) {
	for _, pair := range [][2]string{
		{"shop.example /a", "shop.example //a"},
		{"https: //shop.example/a", "shop.example /a"},
		{"shop.example /a(b=1)", "shop.example /a?b=1"},
		{"shop.example /a?a&a=", "shop.example /a?a=&a"},
		{"shop.example /a?a=1&b=2", "shop.example /a?b=2&a=1"},
		{"shop.example /a?a=1&a=2", "shop.example /a?a=2&a=1"},
		{"shop.example /a?a=%zz", "shop.example /a?bad:a=%25zz"},
		{"shop.example /a?a;b", "shop.example /a?a%3Bb"},
		{"shop.example /a%2Fb", "shop.example /a/b"},
		{"shop.example http://shop.example?x=/y", "shop.example /y?x=/y"},
		{"Shop.Example:80 /A", "shop.example /a"},
		{"shop.example /a?path:=/b", "shop.example /a"},
		{"shop.example /a?=", "shop.example /a?&"},
	} {
		f.Add(pair[0], pair[1], false, false)
		f.Add(pair[0], pair[1], true, false)
		f.Add(pair[0], pair[1], false, true)
	}
	c, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	routes := []*route{keyed(c), keyed(c, Query("a", "b")), keyed(c, NoQuery()), keyed(c, Name("n"))}
	f.Fuzz(func(t *testing.T, a, b string, secureA, secureB bool) {
		ra, rb := read(a, secureA), read(b, secureB)
		if ra == nil || rb == nil {
			return
		}
		for i, rt := range routes {
			ka, detailA := rt.appendKey(nil, ra)
			kb, detailB := rt.appendKey(nil, rb)
			if detailA != "" || detailB != "" || string(ka) != string(kb) {
				continue
			}
			va, vb := visible(rt.fillRequest(ra.Context(), ra)), visible(rt.fillRequest(rb.Context(), rb))
			sameTarget := string(rt.appendTarget(nil, ra)) == string(rt.appendTarget(nil, rb)) // compared on reuse, where there is a name
			if va != vb && (rt.name == "" || sameTarget) {
				t.Errorf("route %d: one key %s for\n%s and\n%s", i, ka, va, vb)
			}
		}
	})
}

func keyed(c *Cache, rules ...Rule) *route {
	return c.For(OneHour, rules...)(http.NotFoundHandler()).(*route)
}

// read reads "host target" as a request; nil where net/http's server would answer 400 by itself.
func read(s string, secure bool) *http.Request {
	host, target, _ := strings.Cut(s, " ")
	if strings.ContainsFunc(host+target, func(r rune) bool { return r <= ' ' || r == 0x7f }) || target == "" {
		return nil
	}
	text := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return nil
	}
	if secure {
		r.TLS = new(tls.ConnectionState)
	}
	return r
}

// visible is what a handler can tell a resource by, written so that it differs wherever that differs.
func visible(r *http.Request) string {
	var query []string
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if part != "" {
			query = append(query, part)
		}
	}
	name := func(part string) string {
		name, value, _ := strings.Cut(part, "=")
		n, err := url.QueryUnescape(name)
		if _, valueErr := url.QueryUnescape(value); err != nil || valueErr != nil || strings.Contains(part, ";") {
			return part
		}
		return n
	}
	slices.SortStableFunc(query, func(a, b string) int { return strings.Compare(name(a), name(b)) })
	for i, part := range query {
		n, value, found := strings.Cut(part, "=")
		n, err := url.QueryUnescape(n)
		v, valueErr := url.QueryUnescape(value)
		if err == nil && valueErr == nil && !strings.Contains(part, ";") {
			query[i] = fmt.Sprintf("%q=%q %t", n, v, found)
		}
	}
	return fmt.Sprintf("tls=%t host=%q path=%q escaped=%q query=%q",
		r.TLS != nil, strings.ToLower(r.Host), r.URL.Path, r.URL.EscapedPath(), query)
}
