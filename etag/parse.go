package etag

import "strings"

// ows is optional whitespace (RFC 9110 §5.6.3).
const ows = " \t"

// Parse reads the field lines of an If-Match or If-None-Match field: the entity tags they list, in order, and whether one of their
// members is "*". A malformed member (unquoted, a lower-case w/, a space inside) is skipped up to the next comma and hides no
// member that follows it. The tags share memory with fields.
func Parse(fields []string) (list []Tag, star bool) {
	for m := range lines(fields).members {
		if m.star {
			star = true
		} else {
			list = append(list, m.tag)
		}
	}
	return list, star
}

// ParseOne reads a field value that must be exactly one entity tag, as that of an ETag field is (RFC 9110 §8.8.3).
// It does not allocate.
func ParseOne(s string) (Tag, bool) {
	t, rest, ok := cutTag(strings.Trim(s, ows))
	if !ok || rest != "" {
		return Tag{}, false
	}
	return t, true
}

// Match reports whether an If-None-Match field of these lines names t by weak comparison, or is "*" (RFC 9110 §13.1.2):
// whether the client has what t tags, so that a 304 is the answer. It reads the lines as Parse does and does not allocate.
func Match(fields []string, t Tag) bool {
	for m := range lines(fields).members {
		if m.star || m.tag.WeakEqual(t) {
			return true
		}
	}
	return false
}

// lines are the lines of one list field. No tag spans two of them: joined by ", " it would hold a space.
type lines []string

// member is a well-formed member of the list: a tag or, if star is set, "*".
type member struct {
	tag  Tag
	star bool
}

// members yields the well-formed members. It takes linear time whatever the input: a tag that is not closed is scanned
// at most to the next quote, and no later member begins before that.
func (ls lines) members(yield func(member) bool) {
	for _, s := range ls {
		for s != "" {
			m, rest, ok := cutMember(s)
			if ok && !yield(m) {
				return
			}
			s = rest
		}
	}
}

// cutMember reads the member before the first comma that ends one, and returns what follows that comma. A malformed member ends
// at its first comma, even if that looks quoted: in `"torn,"good"` the opening quote is the fault.
func cutMember(s string) (m member, rest string, ok bool) {
	s = strings.TrimLeft(s, ows)
	if t, after, isTag := cutTag(s); isTag {
		if rest, ok = cutEnd(after); ok {
			return member{tag: t}, rest, true
		}
	}
	if after, isStar := strings.CutPrefix(s, "*"); isStar {
		if rest, ok = cutEnd(after); ok {
			return member{star: true}, rest, true
		}
	}
	_, rest, _ = strings.Cut(s, ",")
	return member{}, rest, false
}

// cutEnd passes what may stand between a member and the next one; ok is false where the member goes on.
func cutEnd(s string) (rest string, ok bool) {
	s = strings.TrimLeft(s, ows)
	if s == "" {
		return "", true
	}
	return s[1:], s[0] == ','
}

// cutTag reads the entity tag that s begins with:
//
//	entity-tag = [ %s"W/" ] DQUOTE *etagc DQUOTE
//	etagc      = %x21 / %x23-7E / obs-text
func cutTag(s string) (t Tag, rest string, ok bool) {
	s, t.Weak = strings.CutPrefix(s, "W/")
	if s == "" || s[0] != '"' {
		return Tag{}, "", false
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			t.Opaque = s[1:i]
			return t, s[i+1:], true
		case c <= ' ', c == 0x7f:
			return Tag{}, "", false
		}
	}
	return Tag{}, "", false
}
