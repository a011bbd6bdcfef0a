package policy

import (
	"math"
	"strings"
	"time"
)

// directive is one member of a Cache-Control field (RFC 9111 §5.2).
type directive struct {
	name      string // as received
	value     string // the argument, without its quotes
	hasValue  bool
	malformed bool // white space around "=", junk beside it, or a quoted-string without end
}

// is reports whether the directive has the given name, which is in lower case (RFC 9111 §5.2: names have no case).
func (d *directive) is(name string) bool {
	return len(d.name) == len(name) && strings.EqualFold(d.name, name)
}

// bare reports whether the directive is nothing but its name. What grants something counts only then; what forbids
// something counts whatever stands beside it.
func (d *directive) bare() bool { return !d.hasValue && !d.malformed }

// seconds returns the directive's argument as delta-seconds; ok is false where it is anything else.
func (d *directive) seconds() (duration time.Duration, ok bool) {
	if d.malformed {
		return 0, false
	}
	return deltaSeconds(d.value)
}

// scanner reads the directives of one field line. Junk never hides a directive: what follows it without a comma is
// still read, but marked as malformed, so that it can forbid and not grant.
type scanner struct {
	rest    string
	glued   bool // no comma since the last directive or junk
	tainted bool // a quoted-string had no end: nothing on this line can be trusted any more
}

// next returns the line's next directive; ok is false at the end.
func (s *scanner) next() (d directive, ok bool) {
	if !s.skip() {
		return directive{}, false
	}
	d.name, s.rest = cutToken(s.rest)
	d.malformed = s.glued
	if after := trimLeft(s.rest); after != "" && after[0] == '=' {
		d.malformed = d.malformed || len(after) != len(s.rest)
		s.rest = after[1:]
		s.argument(&d)
	}
	s.rest = trimLeft(s.rest)
	s.glued = s.tainted || s.rest != "" && s.rest[0] != ','
	d.malformed = d.malformed || s.glued
	return d, true
}

// skip moves to the next directive's name; it is false at the end of the line.
func (s *scanner) skip() bool {
	for s.rest != "" {
		switch c := s.rest[0]; {
		case isTokenByte(c):
			return true
		case c == '"':
			s.glued = true
			s.quoted()
			continue
		case c == ',':
			s.glued = s.tainted
		case c != ' ' && c != '\t':
			s.glued = true
		}
		s.rest = s.rest[1:]
	}
	return false
}

// argument reads what follows "=".
func (s *scanner) argument(d *directive) {
	d.hasValue = true
	if after := trimLeft(s.rest); len(after) != len(s.rest) {
		d.malformed, s.rest = true, after
	}
	if s.rest != "" && s.rest[0] == '"' {
		d.value = s.quoted()
		return
	}
	d.value, s.rest = cutToken(s.rest)
}

// quoted reads a quoted-string, at whose first quote it stands, and returns what is inside, escapes as they are. A
// string without end hides nothing: only its quote is skipped, and the line is tainted.
func (s *scanner) quoted() string {
	end := quotedEnd(s.rest)
	if end < 0 {
		s.tainted, s.rest = true, s.rest[1:]
		return ""
	}
	inside := s.rest[1 : end-1]
	s.rest = s.rest[end:]
	return inside
}

// quotedEnd returns the index behind the quoted-string that s begins with, -1 where it has no end (RFC 9110 §5.6.4).
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// maxSeconds is what larger values count as: "the cache MUST consider the value to be 2147483648" (RFC 9111 §1.2.2).
const maxSeconds = 1 << 31

// deltaSeconds parses delta-seconds, 1*DIGIT and nothing else (RFC 9111 §1.2.2); too large values saturate.
func deltaSeconds(s string) (time.Duration, bool) {
	n, ok := parseDigits(s)
	return time.Duration(min(n, maxSeconds)) * time.Second, ok
}

// parseDigits reads 1*DIGIT; values too large for an int64 saturate.
func parseDigits(s string) (int64, bool) {
	var n int64
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		digit := int64(s[i] - '0')
		if n > (math.MaxInt64-digit)/10 {
			n = math.MaxInt64
			continue
		}
		n = n*10 + digit
	}
	return n, s != ""
}

// cutToken splits s behind the token it begins with (RFC 9110 §5.6.2).
func cutToken(s string) (token, rest string) {
	i := 0
	for i < len(s) && isTokenByte(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

// IsToken reports whether all of s is one token, as the names of fields and cookies are (RFC 9110 §5.6.2).
func IsToken(s string) bool {
	token, rest := cutToken(s)
	return token != "" && rest == ""
}

func isTokenByte(c byte) bool { return tokenBytes[c] }

var tokenBytes = func() (is [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		is[c] = true
	}
	for c := range is {
		is[c] = is[c] || isLetter(byte(c)) || isDigit(byte(c))
	}
	return is
}()

// trimLeft and trim remove optional white space, space and tab only (RFC 9110 §5.6.3).
func trimLeft(s string) string { return strings.TrimLeft(s, " \t") }

func trim(s string) string { return strings.Trim(s, " \t") }

// cutMember splits a list at its first comma outside quoted-strings (RFC 9110 §5.6.1); the member is trimmed.
func cutMember(s string) (member, rest string, more bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			end := quotedEnd(s[i:])
			if end < 0 {
				return trim(s), "", false
			}
			i += end - 1
		case ',':
			return trim(s[:i]), s[i+1:], true
		}
	}
	return trim(s), "", false
}
