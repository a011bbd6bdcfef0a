package policy

import (
	"slices"
	"strings"
	"testing"
)

func TestParseGroups(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat(`"g", `, 32), ", ")
	tests := []struct {
		name  string
		lines []string
		want  []string
	}{
		{"§2: a list of strings", []string{`"eurovision-results", "australia"`}, []string{"eurovision-results", "australia"}},
		{"§2: several lines are one list", []string{`"a"`, `"b"`}, []string{"a", "b"}},
		{"§2: parameters are ignored", []string{`"a";x=1, "b"`}, []string{"a", "b"}},
		{"§2: case counts", []string{`"A", "a"`}, []string{"A", "a"}},
		{"§2: at least 32 groups", []string{many}, slices.Repeat([]string{"g"}, 32)},
		{"§2: at least 32 characters", []string{`"` + strings.Repeat("x", 64) + `"`}, []string{strings.Repeat("x", 64)}},
		{"a token is no string", []string{`"a", b`}, nil},
		{"an inner list is no string", []string{`"a", ("b")`}, nil},
		{"malformed as a whole", []string{`"a", "b`}, nil},
		{"too many", []string{many + "," + many + "," + many + "," + many + `, "g"`}, nil},
		{"none", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ParseGroups(tt.lines); !slices.Equal(got, tt.want) {
				t.Errorf("ParseGroups(%q) = %q, want %q", tt.lines, got, tt.want)
			}
		})
	}
}

func TestFormatGroups(t *testing.T) {
	if got, want := FormatGroups([]string{"items", `it"m`, "na\u00efve"}), `"items", "it\"m"`; got != want {
		t.Errorf("FormatGroups = %s, want %s", got, want)
	}
	if got := FormatGroups(nil); got != "" {
		t.Errorf("FormatGroups(nil) = %s", got)
	}
}

func FuzzGroups(f *testing.F) {
	f.Add(`"a", "b"`)
	f.Add(`"a;b\"", c`)
	f.Fuzz(func(t *testing.T, line string) {
		groups := ParseGroups([]string{line})
		if len(groups) == 0 {
			return
		}
		if again := ParseGroups([]string{FormatGroups(groups)}); !slices.Equal(again, groups) {
			t.Errorf("%q: %q, written and read again %q", line, groups, again)
		}
	})
}
