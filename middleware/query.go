package middleware

import (
	"net/url"
	"slices"
	"strings"

	"github.com/larderhq/larder/keybuilder"
)

// pair is one parameter of a query as it stands in the text.
type pair struct {
	raw  string
	name string // unescaped; of a malformed pair the raw text
	bad  bool   // url.ParseQuery drops it, the raw query still shows it
}

// pairs is a query taken apart; typical ones fit into the array that the caller has on its stack.
func pairs(query string, into []pair) []pair {
	for query != "" {
		var raw string
		raw, query, _ = strings.Cut(query, "&")
		if raw == "" {
			continue
		}
		into = append(into, newPair(raw))
	}
	return into
}

func newPair(raw string) pair {
	name, value, _ := strings.Cut(raw, "=")
	unescaped, ok := unescape(name)
	if _, valueOK := unescape(value); !ok || !valueOK || strings.Contains(raw, ";") {
		return pair{raw, raw, true}
	}
	return pair{raw, unescaped, false}
}

func unescape(s string) (string, bool) {
	if !strings.ContainsAny(s, "%+") {
		return s, true
	}
	s, err := url.QueryUnescape(s)
	return s, err == nil
}

// selects reports whether the pair splits the cache. A malformed one has no name, so it does only where the whole query does.
func (r *rules) selects(p pair) bool {
	switch r.queryMode {
	case queryAll:
		return true
	case queryNone:
		return false
	default:
		return !p.bad && slices.Contains(r.query, p.name)
	}
}

// appendQuery appends the selected parameters sorted by name; equal names keep their order, as it may mean something.
func (r *rules) appendQuery(dst []byte, query string) []byte {
	var array [16]pair
	list := pairs(query, array[:0])
	slices.SortStableFunc(list, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	for _, p := range list {
		if r.selects(p) {
			dst = p.append(separated(dst))
		}
	}
	return dst
}

// append writes name, name= or name=value in canonical escaping; a malformed pair goes in raw behind a colon, which no name has.
func (p pair) append(dst []byte) []byte {
	if p.bad {
		return keybuilder.AppendText(append(dst, "bad:"...), p.raw)
	}
	dst = keybuilder.AppendName(dst, p.name)
	if _, value, found := strings.Cut(p.raw, "="); found {
		value, _ = unescape(value)
		dst = keybuilder.AppendText(append(dst, '='), value)
	}
	return dst
}

// visibleQuery is what the handler of a fill sees of a query: the selected parameters as they came, in their order. Empty pairs select
// nothing, but of a query with too many url.ParseQuery makes none at all: what is answered then must not be kept for the same
// parameters without them.
func (r *rules) visibleQuery(query string) string {
	if query == "" || r.queryMode == queryAll && !hasEmptyPair(query) {
		return query
	}
	var kept []string
	for _, p := range pairs(query, nil) {
		if r.selects(p) {
			kept = append(kept, p.raw)
		}
	}
	return strings.Join(kept, "&")
}

func hasEmptyPair(query string) bool {
	return strings.HasPrefix(query, "&") || strings.HasSuffix(query, "&") || strings.Contains(query, "&&")
}
