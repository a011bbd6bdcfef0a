package policy

import (
	"net/textproto"
	"slices"
	"strings"
)

// VaryNames returns the fields that a response's Vary lines name, canonical, sorted and without repetition. all is
// true where the response never matches another request: "*" is a member anywhere (RFC 9111 §4.1), or a member is no
// field name, so that nobody knows what the response varies by.
func VaryNames(lines []string) (names []string, all bool) {
	for member := range Members(lines) {
		if member == "*" || !IsToken(member) {
			return nil, true
		}
		names = append(names, textproto.CanonicalMIMEHeaderKey(member))
	}
	slices.Sort(names)
	return slices.Compact(names), false
}

// Normalize returns the selecting value of a request field, given by its canonical name: equal for two requests only
// where their fields match (RFC 9111 §4.1). Lines are combined, white space around list members is made uniform, and
// the members of Accept-Encoding, Accept-Language and Accept-Charset are put in order. A field that is absent differs
// from one that is empty. It does not allocate for a single line that is in canonical form.
func Normalize(name string, values []string) (value string, present bool) {
	if len(values) == 0 {
		return "", false
	}
	value = trim(strings.Join(values, ", "))
	switch name {
	case "Accept-Encoding", "Accept-Language", "Accept-Charset":
		if ordered, ok := orderPreferences(value, name == "Accept-Encoding"); ok {
			return ordered, true
		}
	case "Authorization", "Cookie", "Date", "From", "If-Modified-Since", "If-Unmodified-Since", "Referer", "User-Agent":
		return value, true // A comma separates nothing here, and the space behind it may matter.
	}
	return spaceMembers(value), true
}

// spaceMembers writes one ", " between the members of a list. Empty members stay: whether the field is a list is not
// known.
func spaceMembers(s string) string {
	if evenlySpaced(s) {
		return s
	}
	var b strings.Builder
	for more := true; more; {
		var member string
		member, s, more = cutMember(s)
		b.WriteString(member)
		if more {
			b.WriteString(", ")
		}
	}
	return trim(b.String())
}

// evenlySpaced reports whether spaceMembers would change nothing.
func evenlySpaced(s string) bool {
	for {
		member, rest, more := cutMember(s)
		switch {
		case !more:
			return len(member) == len(s)
		case len(member)+1+len(rest) != len(s) || member == "" || !strings.HasPrefix(rest, " "):
			return false
		}
		s = rest[1:]
	}
}
