package middleware

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// fillRequest is the request as the handler of a fill sees it: without what does not select the entry, so that it cannot leave
// its mark there, and without the client's conditions and ranges, which are answered from the entry. Its header is its own: a handler
// may change it, as those do that compress and then delete Accept-Encoding, and the entry is filed under what the client sent.
func (rt *route) fillRequest(ctx context.Context, r *http.Request) *http.Request {
	r = r.WithContext(ctx)
	if visible := rt.visibleQuery(r.URL.RawQuery); visible != r.URL.RawQuery {
		hideQuery(r, visible)
	}
	r.Header = r.Header.Clone()
	for _, name := range clientConditions {
		delete(r.Header, name)
	}
	delete(r.Header, "Upgrade") // h2c, or it would have passed by: a response for others does not end in another protocol
	if rt.hasCookies {
		keepCookies(r, rt.cookies)
	}
	return r
}

// clientConditions are the fields that are evaluated against the stored response (RFC 9110 §13.1, §14.2).
var clientConditions = [...]string{"If-None-Match", "If-Modified-Since", "If-Range", "Range"}

// hidesPart reports whether the handler of a fill does not see the whole query, or not all cookies.
func (rt *route) hidesPart(r *http.Request) bool {
	return rt.hasCookies && len(r.Header["Cookie"]) > 0 || rt.visibleQuery(r.URL.RawQuery) != r.URL.RawQuery
}

func hideQuery(r *http.Request, visible string) {
	u := *r.URL
	u.RawQuery = visible
	u.ForceQuery = false
	r.URL = &u
	if path, _, found := strings.Cut(r.RequestURI, "?"); found {
		r.RequestURI = path
		if visible != "" {
			r.RequestURI += "?" + visible
		}
	}
	r.Form, r.PostForm, r.MultipartForm = nil, nil, nil // an outer middleware may have parsed the whole query
}

// keepCookies drops all cookies but those named, which are written anew in the order of the key: the handler sees what the key
// tells apart and no more.
func keepCookies(r *http.Request, names []string) {
	var kept []string
	for _, name := range names {
		for _, cookie := range r.CookiesNamed(name) {
			kept = append(kept, name+"="+cookieText(cookie))
		}
	}
	delete(r.Header, "Cookie")
	if len(kept) > 0 {
		r.Header["Cookie"] = []string{strings.Join(kept, "; ")}
	}
}

// cookieText is the value of a cookie as it came.
func cookieText(c *http.Cookie) string {
	if c.Quoted {
		return `"` + c.Value + `"`
	}
	return c.Value
}

// impersonal is the request of a refresh in the background, which is nobody's in particular: without the client's own wishes, and
// without credentials, unless the entry is kept by them: by a rule of the route, or by the selecting fields of its Vary
// (RFC 9111 §4.3.1). What is stored is filed under what is left, so that it cannot pass for an answer to what was not sent.
func (rt *route) impersonal(r *http.Request, selecting []string) *http.Request {
	r = r.WithContext(r.Context())
	r.Header = r.Header.Clone()
	delete(r.Header, "Cache-Control")
	delete(r.Header, "Pragma")
	if rt.user != nil {
		return r
	}
	if !slices.Contains(rt.headers, "Authorization") && !slices.Contains(selecting, "Authorization") {
		delete(r.Header, "Authorization")
	}
	if !rt.hasCookies && !slices.Contains(selecting, "Cookie") {
		delete(r.Header, "Cookie")
	}
	return r
}

// lasting is a request whose texts are its own. Those of servers that are not net/http's (fasthttp's adaptor, and so fiber's) are
// written over by the next request as soon as ServeHTTP has returned, and a run in the background would answer that one instead.
func (rt *route) lasting(r *http.Request) *http.Request {
	values := rt.pattern(r.Pattern).wildcards
	r = r.Clone(r.Context())
	for _, text := range []*string{
		&r.Method, &r.Host, &r.RequestURI, &r.Proto, &r.RemoteAddr, &r.URL.Scheme, &r.URL.Host, &r.URL.Path, &r.URL.RawPath, &r.URL.RawQuery,
	} {
		*text = strings.Clone(*text)
	}
	r.Header, r.Form = ownTexts(r.Header), ownTexts(r.Form) // a form where an outer middleware has parsed the query
	for _, name := range values {
		r.SetPathValue(name, strings.Clone(r.PathValue(name)))
	}
	return r
}

// ownTexts makes the texts of a map its own, which it takes over; nil stays nil.
func ownTexts(texts map[string][]string) map[string][]string {
	if texts == nil {
		return nil
	}
	own := make(map[string][]string, len(texts))
	for name, values := range texts {
		for i := range values {
			values[i] = strings.Clone(values[i])
		}
		own[strings.Clone(name)] = values
	}
	return own
}

// fieldLines are the lines of a request field; Host is one, though net/http keeps it apart.
func fieldLines(r *http.Request, name string) []string {
	if name == "Host" {
		return []string{r.Host}
	}
	return r.Header[name]
}
