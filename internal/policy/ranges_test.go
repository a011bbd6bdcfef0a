package policy

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestParseRange(t *testing.T) {
	one := func(start, length int64) []ByteRange { return []ByteRange{{start, length}} }
	tests := map[string]struct {
		field   string
		size    int64
		ranges  []ByteRange
		outcome RangeOutcome
	}{
		"§14.1.2 the first 500":            {"bytes=0-499", 10000, one(0, 500), Satisfiable},
		"§14.1.2 the second 500":           {"bytes=500-999", 10000, one(500, 500), Satisfiable},
		"§14.1.2 the final 500":            {"bytes=-500", 10000, one(9500, 500), Satisfiable},
		"§14.1.2 the final 500, from":      {"bytes=9500-", 10000, one(9500, 500), Satisfiable},
		"§14.1.2 the first and the last":   {"bytes=0-0,-1", 10000, []ByteRange{{0, 1}, {9999, 1}}, Satisfiable},
		"§14.1.2 first, middle and last":   {"bytes= 0-999, 4500-5499, -1000", 10000, []ByteRange{{0, 1000}, {4500, 1000}, {9000, 1000}}, Satisfiable},
		"§14.1.2 not canonical":            {"bytes=500-600,601-999", 10000, []ByteRange{{500, 101}, {601, 399}}, Satisfiable},
		"§14.1.2 overlapping":              {"bytes=500-700,601-999", 10000, []ByteRange{{500, 201}, {601, 399}}, Satisfiable},
		"§14.1.2 to behind the end":        {"bytes=5-99", 10, one(5, 5), Satisfiable},
		"§14.1.2 a longer suffix":          {"bytes=-99", 10, one(0, 10), Satisfiable},
		"§14.1.2 more than 64 bits":        {"bytes=5-99999999999999999999999", 10, one(5, 5), Satisfiable},
		"§14.1.2 a suffix beyond 64 bits":  {"bytes=-99999999999999999999999", 10, one(0, 10), Satisfiable},
		"§14.1.2 from beyond 64 bits":      {"bytes=99999999999999999999999-", 10, nil, Unsatisfiable},
		"§14.1.2 behind the end":           {"bytes=10-", 10, nil, Unsatisfiable},
		"§14.1.2 a suffix of nothing":      {"bytes=-0", 10, nil, Unsatisfiable},
		"§14.1.1 one that can be had":      {"bytes=10-, 3-4, -0", 10, one(3, 2), Satisfiable},
		"§14.1.1 the unit in another case": {"Bytes=0-0", 10, one(0, 1), Satisfiable},
		"§14.1.1 empty members":            {"bytes=,0-0,,", 10, one(0, 1), Satisfiable},
		"§14.1.1 descending order":         {"bytes=5-6,0-1", 10, []ByteRange{{5, 2}, {0, 2}}, Satisfiable},
		"§14.1.1 another unit":             {"lines=0-0", 10, nil, Whole},
		"§14.1.1 no unit":                  {"0-0", 10, nil, Whole},
		"§14.1.1 nothing":                  {"", 10, nil, Whole},
		"§14.1.1 no range":                 {"bytes=", 10, nil, Whole},
		"§14.1.1 no range but commas":      {"bytes=, ,", 10, nil, Whole},
		"§14.1.1 space in the unit":        {"bytes =0-0", 10, nil, Whole},
		"§14.1.1 backwards":                {"bytes=5-4", 10, nil, Whole},
		"§14.1.1 one of them backwards":    {"bytes=0-0,5-4", 10, nil, Whole},
		"§14.1.1 a dash":                   {"bytes=-", 10, nil, Whole},
		"§14.1.1 no dash":                  {"bytes=5", 10, nil, Whole},
		"§14.1.1 two dashes":               {"bytes=0-1-2", 10, nil, Whole},
		"§14.1.1 a negative suffix":        {"bytes=--1", 10, nil, Whole},
		"§14.1.1 a sign":                   {"bytes=+0-1", 10, nil, Whole},
		"§14.1.1 spaces inside":            {"bytes=0 - 1", 10, nil, Whole},
		"§14.1.1 letters":                  {"bytes=a-b", 10, nil, Whole},
		"§14.2 nothing to send":            {"bytes=0-", 0, nil, Whole},
		"§14.2 nothing to send, suffix":    {"bytes=-1", 0, nil, Whole},
		"§14.2 more than all of it":        {"bytes=0-,0-", 10, nil, Whole},
		"§14.2 exactly all of it":          {"bytes=0-4,5-9", 10, []ByteRange{{0, 5}, {5, 5}}, Satisfiable},
		"§14.2 three that overlap":         {"bytes=0-1,1-2,2-3", 10, nil, Whole},
		"§14.2 many":                       {"bytes=" + strings.Repeat("0-0,", maxRanges) + "1-1", 1000, nil, Whole},
	}
	for name, test := range tests {
		t.Run("RFC 9110 "+name, func(t *testing.T) {
			ranges, outcome := ParseRange(test.field, test.size)
			if outcome != test.outcome || !slices.Equal(ranges, test.ranges) {
				t.Errorf("got %v, %v; want %v, %v", ranges, outcome, test.ranges, test.outcome)
			}
		})
	}
}

func FuzzParseRange(f *testing.F) {
	f.Add("bytes=0-0,-1", int64(10))
	f.Add("bytes=9223372036854775807-", int64(math.MaxInt64))
	f.Add("bytes=-9223372036854775808, 5-", int64(7))
	f.Fuzz(func(t *testing.T, field string, size int64) {
		ranges, outcome := ParseRange(field, size)
		if (outcome == Satisfiable) != (len(ranges) > 0) || len(ranges) > maxRanges {
			t.Errorf("%q of %d: %d ranges, %v", field, size, len(ranges), outcome)
		}
		left := size
		for _, r := range ranges {
			if left -= r.Length; r.Start < 0 || r.Length <= 0 || r.Start > size-r.Length || left < 0 {
				t.Errorf("%q of %d: %v", field, size, ranges)
			}
		}
	})
}
