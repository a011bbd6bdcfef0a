package policy

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestVaryNames(t *testing.T) {
	tests := map[string]struct {
		lines []string
		names []string
		all   bool
	}{
		"none":                  {nil, nil, false},
		"empty":                 {[]string{"", " , "}, nil, false},
		"one":                   {[]string{"accept"}, []string{"Accept"}, false},
		"lists and lines":       {[]string{"foo ,, BAR", "foo,\tbaz"}, []string{"Bar", "Baz", "Foo"}, false},
		"*":                     {[]string{"*"}, nil, true},
		"* twice":               {[]string{"*, *"}, nil, true},
		"* behind an empty one": {[]string{", *"}, nil, true},
		"* on a line of its own": {
			[]string{"", "*"}, nil, true,
		},
		"* first":              {[]string{"*, foo"}, nil, true},
		"* last":               {[]string{"foo, bar", "baz, *"}, nil, true},
		"* in a name":          {[]string{"foo*"}, []string{"Foo*"}, false},
		"what is no name":      {[]string{"foo bar"}, nil, true},
		"what is no name, too": {[]string{`"foo"`}, nil, true},
	}
	for name, test := range tests {
		t.Run("§4.1 "+name, func(t *testing.T) {
			names, all := VaryNames(test.lines)
			if all != test.all || !slices.Equal(names, test.names) {
				t.Errorf("got %q, %v; want %q, %v", names, all, test.names, test.all)
			}
		})
	}
}

func TestNormalize(t *testing.T) {
	tests := map[string]struct {
		name   string
		values []string
		want   string
	}{
		"§4.1 empty":                                   {"Foo", []string{""}, ""},
		"§4.1 white space around":                      {"Foo", []string{" 1\t"}, "1"},
		"§4.1 white space between members":             {"Foo", []string{"1,2 ,\t3,  4"}, "1, 2, 3, 4"},
		"§4.1 lines are combined":                      {"Foo", []string{"1", "2,3"}, "1, 2, 3"},
		"§4.1 white space inside a member":             {"Foo", []string{"a  b,c"}, "a  b, c"},
		"§4.1 order may matter":                        {"Foo", []string{"b, a"}, "b, a"},
		"§4.1 case may matter":                         {"Foo", []string{"A"}, "A"},
		"§4.1 empty members may matter":                {"Foo", []string{"a,,b,"}, "a, , b,"},
		"§4.1 quoted strings":                          {"Foo", []string{`"a,b","c\",d" ,e`}, `"a,b", "c\",d", e`},
		"§4.1 a string without end":                    {"Foo", []string{`a,"b,c `}, `a, "b,c`},
		"§4.1 no list: User-Agent":                     {"User-Agent", []string{" A (B,C) "}, "A (B,C)"},
		"§4.1 no list: Cookie":                         {"Cookie", []string{"a=1,2;b=3"}, "a=1,2;b=3"},
		"RFC 9110 §12.5.1 Accept keeps its order":      {"Accept", []string{"text/html,*/*;q=0.8"}, "text/html, */*;q=0.8"},
		"RFC 9110 §12.5.3 order":                       {"Accept-Encoding", []string{"gzip, br"}, "br, gzip"},
		"RFC 9110 §12.5.3 in order already":            {"Accept-Encoding", []string{"br, gzip;q=0.5, *;q=0"}, "br, gzip;q=0.5, *;q=0"},
		"RFC 9110 §12.5.3 weights":                     {"Accept-Encoding", []string{"*;q=0, gzip;q=0.25, br ; Q=0.250, zstd;q=1.000"}, "zstd, br;q=0.25, gzip;q=0.25, *;q=0"},
		"RFC 9110 §12.5.3 case":                        {"Accept-Encoding", []string{"GZip"}, "gzip"},
		"RFC 9110 §12.5.3 lines":                       {"Accept-Encoding", []string{"gzip", "", "br"}, "br, gzip"},
		"RFC 9110 §12.5.3 empty":                       {"Accept-Encoding", []string{""}, ""},
		"RFC 9110 §12.5.3 empty members":               {"Accept-Encoding", []string{",gzip,,"}, "gzip"},
		"RFC 9110 §12.5.3 twice the same":              {"Accept-Encoding", []string{"gzip, gzip;q=1"}, "gzip"},
		"RFC 9110 §12.5.3 twice with other weights":    {"Accept-Encoding", []string{"gzip,gzip;q=0"}, "gzip, gzip;q=0"},
		"RFC 9110 §8.4.1.3 x-gzip":                     {"Accept-Encoding", []string{"x-gzip, br;q=0.1"}, "gzip, br;q=0.1"},
		"RFC 9110 §12.4.2 too heavy":                   {"Accept-Encoding", []string{"gzip;q=1.1,BR"}, "gzip;q=1.1, BR"},
		"RFC 9110 §12.4.2 too exact":                   {"Accept-Encoding", []string{"gzip;q=0.1234,BR"}, "gzip;q=0.1234, BR"},
		"RFC 9110 §12.4.2 not a weight":                {"Accept-Encoding", []string{"gzip;p=1,BR"}, "gzip;p=1, BR"},
		"RFC 9110 §12.4.2 not a number":                {"Accept-Encoding", []string{"gzip;q=0.x,BR"}, "gzip;q=0.x, BR"},
		"RFC 9110 §12.5.3 not a token":                 {"Accept-Encoding", []string{"g zip,BR"}, "g zip, BR"},
		"RFC 9110 §12.5.4 order, case and white space": {"Accept-Language", []string{"en-GB;q=0.8,de , EN;q=0.70"}, "de, en-gb;q=0.8, en;q=0.7"},
		"RFC 9110 §12.5.4 equal weights":               {"Accept-Language", []string{"en, de"}, "de, en"},
		"RFC 9110 §12.5.4 no alias for languages":      {"Accept-Language", []string{"x-gzip"}, "x-gzip"},
		"RFC 9110 §12.5.2 charsets":                    {"Accept-Charset", []string{"UTF-8;q=0.001, iso-8859-5"}, "iso-8859-5, utf-8;q=0.001"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got, present := Normalize(test.name, test.values); got != test.want || !present {
				t.Errorf("got %q, %v; want %q", got, present, test.want)
			}
		})
	}
	t.Run("§4.1 absent is not empty", func(t *testing.T) {
		for _, values := range [][]string{nil, {}} {
			if got, present := Normalize("Foo", values); got != "" || present {
				t.Errorf("got %q, %v", got, present)
			}
		}
	})
	t.Run("a list longer than is sorted", func(t *testing.T) {
		long := strings.Repeat("b, ", maxPreferences) + "a"
		if got, _ := Normalize("Accept-Encoding", []string{long}); got != long {
			t.Errorf("got %q", got)
		}
	})
}

func TestNormalizeIgnoresOrder(t *testing.T) {
	members := []string{"gzip;q=0.5", "br", "zstd", "identity;q=0", "*;q=0.001", "deflate;q=0.50"}
	want, _ := Normalize("Accept-Encoding", []string{strings.Join(members, ", ")})
	for range 100 {
		rand.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		if got, _ := Normalize("Accept-Encoding", members); got != want {
			t.Fatalf("RFC 9110 §12.5.3: %q gives %q, want %q", members, got, want)
		}
	}
}

func TestNormalizeDoesNotAllocate(t *testing.T) {
	for name, value := range map[string]string{
		"Accept-Encoding": "br, deflate, gzip, zstd;q=0.5", "Accept-Language": "de, en;q=0.9",
		"Foo": `a, "b,c"`, "User-Agent": "Mozilla/5.0 (KHTML, like Gecko)", "Accept": "*/*",
	} {
		values := []string{value}
		if got, _ := Normalize(name, values); got != value {
			t.Errorf("%s: %q is not canonical, %q is", name, value, got)
		}
		if n := testing.AllocsPerRun(100, func() { Normalize(name, values) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// FuzzNormalize holds that normalising twice is normalising once, and that lines mean the same as their list.
func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{"", "a,b", `"a,b`, "gzip;q=0.5, br", "x-gzip, gzip", ", ,", "a\t,", `a"`, "*;q=0,*"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, name := range []string{"Foo", "Accept-Encoding", "Accept-Language", "Cookie"} {
			once, _ := Normalize(name, []string{a, b})
			if joined, _ := Normalize(name, []string{a + ", " + b}); joined != once {
				t.Errorf("%s: lines %q and %q give %q, their list %q", name, a, b, once, joined)
			}
			if twice, _ := Normalize(name, []string{once}); twice != once {
				t.Errorf("%s: %q gives %q, and that %q", name, a, once, twice)
			}
		}
	})
}

func BenchmarkNormalize(b *testing.B) {
	values := []string{"gzip, deflate, br, zstd"}
	b.ReportAllocs()
	for b.Loop() {
		Normalize("Accept-Encoding", values)
	}
}
