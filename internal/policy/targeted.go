package policy

import (
	"net/http"
	"strconv"

	"github.com/dunglas/httpsfv"
)

// defaultTargets is the target list of a cache that is told none (RFC 9213 §3), in canonical form.
var defaultTargets = []string{"Cdn-Cache-Control"}

// directivesOf returns the directives that decide about a response: those of the first valid targeted field, else
// those of Cache-Control (RFC 9213 §2.2). Where targeted is true, Cache-Control and Expires count for nothing.
func directivesOf(h http.Header, targets []string) (d ResponseDirectives, targeted bool) {
	if targets == nil {
		targets = defaultTargets
	}
	for _, name := range targets {
		lines := h[http.CanonicalHeaderKey(name)]
		if len(lines) == 0 {
			continue
		}
		if d, ok := ParseTargeted(lines); ok {
			return d, true
		}
	}
	return ParseResponse(h["Cache-Control"]), false
}

// ParseTargeted reads the lines of a targeted field, a Dictionary Structured Field. ok is false where the field is
// empty or does not parse, and then it must be ignored as a whole (RFC 9213 §2.1). A member of the wrong type is no
// parse error: it counts as malformed, a duration thus as 0.
func ParseTargeted(lines []string) (d ResponseDirectives, ok bool) {
	dictionary, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil || len(dictionary.Names()) == 0 {
		return ResponseDirectives{}, false
	}
	d = noDirectives()
	for _, name := range dictionary.Names() {
		member, _ := dictionary.Get(name)
		mapped := mapMember(name, member)
		d.add(&mapped)
	}
	return d, true
}

// mapMember turns a Structured Field's member into the directive that it stands for (RFC 9213 §2.1). Parameters are
// ignored. Field names come as a String and durations as an Integer; nothing else is consumed.
func mapMember(name string, member httpsfv.Member) directive {
	d := directive{name: name, hasValue: true, malformed: true}
	item, ok := member.(httpsfv.Item)
	if !ok {
		return d
	}
	switch v := item.Value.(type) {
	case bool:
		d.hasValue, d.malformed = !v, !v
	case int64:
		d.value, d.malformed = strconv.FormatInt(v, 10), false
	case string:
		d.value, d.malformed = v, !d.is("no-cache") && !d.is("private")
	}
	return d
}
