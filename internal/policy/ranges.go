package policy

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// ByteRange is a part of a representation, always inside it and never empty.
type ByteRange struct{ Start, Length int64 }

// RangeOutcome says what a Range field asks for.
type RangeOutcome uint8

const (
	// Whole ignores the field: the whole representation is sent, 200.
	Whole RangeOutcome = iota
	// Satisfiable sends the ranges, 206.
	Satisfiable
	// Unsatisfiable says that no range lies in the representation, 416.
	Unsatisfiable
)

// maxRanges bounds the ranges of one request; a set of more is ignored as an attack (RFC 9110 §14.2, §17.15).
const maxRanges = 32

// ParseRange reads a Range field for a representation of size octets (RFC 9110 §14.1, §14.2). Satisfiable ranges come
// in the order asked for. The field is ignored where its unit is not bytes, where it is malformed, where there is no
// content, and where it asks for more than the whole or overlaps more than once.
func ParseRange(field string, size int64) (ranges []ByteRange, outcome RangeOutcome) {
	unit, set, ok := strings.Cut(field, "=")
	if !ok || !strings.EqualFold(unit, "bytes") || size <= 0 {
		return nil, Whole
	}
	specs := 0
	for spec := range strings.SplitSeq(set, ",") {
		if spec = trim(spec); spec == "" {
			continue
		}
		r, satisfiable, ok := parseRangeSpec(spec, size)
		if specs++; !ok || specs > maxRanges {
			return nil, Whole
		}
		if satisfiable {
			ranges = append(ranges, r)
		}
	}
	switch {
	case specs == 0 || wasteful(ranges, size):
		return nil, Whole
	case len(ranges) == 0:
		return nil, Unsatisfiable
	}
	return ranges, Satisfiable
}

// parseRangeSpec reads an int-range or a suffix-range; ok is false where it is neither.
func parseRangeSpec(spec string, size int64) (r ByteRange, satisfiable, ok bool) {
	first, last, dash := strings.Cut(spec, "-")
	if !dash {
		return r, false, false
	}
	if first == "" {
		suffix, ok := parseDigits(last)
		length := min(suffix, size)
		return ByteRange{Start: size - length, Length: length}, length > 0, ok
	}
	start, ok := parseDigits(first)
	end := int64(math.MaxInt64)
	if ok && last != "" {
		end, ok = parseDigits(last)
	}
	if !ok || end < start {
		return r, false, false
	}
	if start >= size {
		return r, false, true
	}
	return ByteRange{Start: start, Length: min(end, size-1) - start + 1}, true, true
}

// wasteful reports whether the ranges together are more than the representation, or overlap more than once.
func wasteful(ranges []ByteRange, size int64) bool {
	if len(ranges) < 2 {
		return false
	}
	sorted := slices.SortedFunc(slices.Values(ranges), func(a, b ByteRange) int { return cmp.Compare(a.Start, b.Start) })
	var total, end int64
	overlaps := 0
	for _, r := range sorted {
		if total += r.Length; total > size {
			return true
		}
		if r.Start < end {
			overlaps++
		}
		end = max(end, r.Start+r.Length)
	}
	return overlaps > 1
}
