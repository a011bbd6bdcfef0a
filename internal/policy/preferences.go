package policy

import (
	"cmp"
	"slices"
	"strings"
)

// maxPreferences bounds the members that are sorted; a longer list keeps its order.
const maxPreferences = 32

// preference is one member of Accept-Encoding, Accept-Language or Accept-Charset with its weight in thousandths.
type preference struct {
	name   string
	weight int
}

// orderPreferences writes a list of weighted names in one form for each meaning: in lower case, the highest weight
// first, equal weights by name, a weight of 1 left out (RFC 9110 §12.4.2, §12.5.2 to §12.5.4: order says nothing, case
// does not matter). ok is false where the list is malformed; then nothing is known about what it means.
func orderPreferences(s string, codings bool) (ordered string, ok bool) {
	var array [maxPreferences]preference
	list := array[:0]
	canonical := true
	for rest, more := s, true; more; {
		var member string
		member, rest, more = cutMember(rest)
		if member == "" {
			canonical = canonical && s == ""
			continue
		}
		p, ok := parsePreference(member)
		if codings {
			p.name = codingAlias(p.name)
		}
		if !ok || len(list) == maxPreferences {
			return "", false
		}
		canonical = canonical && p.written(member)
		list = append(list, p)
	}
	if canonical && evenlySpaced(s) && slices.IsSortedFunc(list, comparePreferences) && !repeats(list) {
		return s, true
	}
	slices.SortFunc(list, comparePreferences)
	list = slices.Compact(list)
	return writePreferences(list), !repeats(list)
}

// parsePreference reads `name [ OWS ";" OWS "q=" qvalue ]`.
func parsePreference(member string) (p preference, ok bool) {
	name, weight, weighted := strings.Cut(member, ";")
	p = preference{name: strings.ToLower(trim(name)), weight: 1000}
	if weighted {
		p.weight, ok = parseWeight(trim(weight))
		return p, ok && IsToken(p.name)
	}
	return p, IsToken(p.name)
}

// codingAlias gives x-gzip and x-compress their other name: recipients treat them as equivalent (RFC 9110 §8.4.1).
func codingAlias(name string) string {
	switch name {
	case "x-gzip", "x-compress":
		return name[2:]
	}
	return name
}

// parseWeight reads "q=" and a qvalue of at most three digits, in thousandths (RFC 9110 §12.4.2).
func parseWeight(s string) (weight int, ok bool) {
	if len(s) < 3 || s[0]|0x20 != 'q' || s[1] != '=' {
		return 0, false
	}
	whole, fraction, _ := strings.Cut(s[2:], ".")
	if whole != "0" && whole != "1" || len(fraction) > 3 {
		return 0, false
	}
	weight = int(whole[0] - '0')
	for i := range 3 {
		digit := byte('0')
		if i < len(fraction) {
			digit = fraction[i]
		}
		if !isDigit(digit) {
			return 0, false
		}
		weight = weight*10 + int(digit-'0')
	}
	return weight, weight <= 1000
}

func comparePreferences(a, b preference) int {
	return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.name, b.name))
}

// repeats reports whether a name occurs twice: which of its weights counts is then not defined.
func repeats(list []preference) bool {
	for i := range list {
		for j := range i {
			if list[i].name == list[j].name {
				return true
			}
		}
	}
	return false
}

// written reports whether member is what writePreferences writes for p.
func (p preference) written(member string) bool {
	rest, ok := strings.CutPrefix(member, p.name)
	var array [8]byte
	return ok && rest == string(p.appendWeight(array[:0]))
}

func writePreferences(list []preference) string {
	var b []byte
	for i, p := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = p.appendWeight(append(b, p.name...))
	}
	return string(b)
}

// appendWeight appends ";q=" and the shortest form of the weight, nothing where it is 1.
func (p preference) appendWeight(b []byte) []byte {
	if p.weight == 1000 {
		return b
	}
	b = append(b, ";q=0"...)
	for rest, point := p.weight, "."; rest > 0; rest, point = rest%100*10, "" {
		b = append(append(b, point...), byte('0'+rest/100))
	}
	return b
}
