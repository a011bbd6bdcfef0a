package etag_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/larderhq/larder/etag"
)

var parseTests = []struct {
	name   string
	fields []string
	want   string // the tags as Parse must return them, joined by spaces; "*" first where that is a member
}{
	{"no line", nil, ""},
	{"empty line", []string{""}, ""},
	{"strong", []string{`"xyzzy"`}, `"xyzzy"`},
	{"weak", []string{`W/"xyzzy"`}, `W/"xyzzy"`},
	{"empty tag", []string{`""`}, `""`},
	{"empty weak tag", []string{`W/""`}, `W/""`},
	{"list", []string{`"xyzzy", "r2d2xxxx",W/"c3piozzzz"`}, `"xyzzy" "r2d2xxxx" W/"c3piozzzz"`},
	{"several lines", []string{`"a", "b"`, `"c"`, `W/"d"`}, `"a" "b" "c" W/"d"`},
	{"optional whitespace", []string{" \t\"a\" \t,\t \"b\"\t "}, `"a" "b"`},
	{"empty members", []string{`,, "a",,"b", ,`}, `"a" "b"`},
	{"comma in a tag", []string{`"a,b","c"`}, `"a,b" "c"`},
	{"tag of one comma", []string{`",","a"`}, `"," "a"`},
	{"backslash is no escape", []string{`"a\","b"`}, `"a\" "b"`},
	{"obs-text", []string{"\"\x80é\xff\""}, "\"\x80é\xff\""},
	{"edges of etagc", []string{`"!#~"`}, `"!#~"`},
	{"star", []string{`*`}, `*`},
	{"star with whitespace", []string{"\t* "}, `*`},
	{"star among tags", []string{`"a", *, "b"`}, `* "a" "b"`},
	{"star on a later line", []string{`"a"`, `*`}, `* "a"`},

	{"star in quotes", []string{`"*"`}, `"*"`},
	{"two stars as one member", []string{`**, "a"`}, `"a"`},
	{"star and tag as one member", []string{`*"a", "*b" *, "c"`}, `"c"`},
	{"weak star", []string{`W/*`}, ``},
	{"unquoted", []string{`W/-5480454928453453778`}, ``},
	{"unquoted before a good one", []string{`abc, W/-5480454928453453778,"b"`}, `"b"`},
	{"lower-case w", []string{`w/"x", "y"`}, `"y"`},
	{"space after W/", []string{`W/ "x", "y"`}, `"y"`},
	{"doubled W/", []string{`W/W/"x"`}, ``},
	{"space inside", []string{`"a b", "c"`}, `"c"`},
	{"tab inside", []string{"\"a\tb\", \"c\""}, `"c"`},
	{"delete inside", []string{"\"a\x7f\", \"c\""}, `"c"`},
	{"control inside", []string{"\"a\x00\", \"c\""}, `"c"`},
	{"space and comma inside", []string{`"a b,c", "d"`}, `"d"`},
	{"text after the tag", []string{`"a"b, "c"`}, `"c"`},
	{"text before the tag", []string{`a"b", "c"`}, `"c"`},
	{"no comma between", []string{`"a" "b", "c"`}, `"c"`},
	{"no closing quote", []string{`"a, "b"`}, `"b"`},
	{"no closing quote, no space", []string{`"a,"b"`}, `"b"`},
	{"no opening quote", []string{`a", "b"`}, `"b"`},
	{"no closing quote at the end", []string{`"a", "b`}, `"a"`},
	{"bad tag ends in a comma", []string{`"a b,","c"`}, `"c"`},
	{"a lone quote", []string{`"`}, ``},
	{"quote does not reach the next line", []string{`"a`, `b"`, `"c"`}, `"c"`},
	{"semicolons", []string{`"a"; "b"`}, ``},
}

func TestParse(t *testing.T) {
	for _, tt := range parseTests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(parsed(tt.fields), " "); got != tt.want {
				t.Errorf("Parse(%q) = %s, want %s", tt.fields, got, tt.want)
			}
		})
	}
}

// parsed lists what Parse returns, with "*" first where it is a member.
func parsed(fields []string) (texts []string) {
	tags, star := etag.Parse(fields)
	if star {
		texts = append(texts, "*")
	}
	for _, tag := range tags {
		texts = append(texts, tag.String())
	}
	return texts
}

func TestParseOne(t *testing.T) {
	for _, good := range []string{`"a"`, `W/"a"`, `""`, `"a,b"`, `"W/"`} {
		if tag, ok := etag.ParseOne(good); !ok || tag.String() != good {
			t.Errorf("ParseOne(%s) = %v, %v", good, tag, ok)
		}
	}
	if tag, ok := etag.ParseOne(" \"a\"\t"); !ok || tag != (etag.Tag{Opaque: "a"}) {
		t.Errorf("with whitespace around: %v, %v", tag, ok)
	}
	for _, bad := range []string{``, ` `, `*`, `a`, `"`, `"a`, `a"`, `w/"a"`, `W/`, `W/a`, `"a" "b"`, `"a","b"`, `"a",`, `"a b"`, `"a"b`} {
		if tag, ok := etag.ParseOne(bad); ok || tag != (etag.Tag{}) {
			t.Errorf("ParseOne(%s) = %v, %v, want none", bad, tag, ok)
		}
	}
}

func TestMatch(t *testing.T) {
	weak, strong := etag.Tag{Weak: true, Opaque: "v"}, etag.Tag{Opaque: "v"}
	for _, tt := range []struct {
		fields []string
		want   bool
	}{
		{nil, false},
		{[]string{`"v"`}, true},
		{[]string{`W/"v"`}, true},
		{[]string{`"a", W/"b"`, `"c", W/"v"`}, true},
		{[]string{`*`}, true},
		{[]string{`"a"`, ` * `}, true},
		{[]string{`"V"`}, false},
		{[]string{`v`}, false},
		{[]string{`w/"v"`}, false},
		{[]string{`"v`}, false},
		{[]string{`"a,v"`}, false},
		{[]string{`"*"`}, false},
		{[]string{`W/-5480454928453453778`}, false},
	} {
		if got := etag.Match(tt.fields, weak); got != tt.want {
			t.Errorf("Match(%q, %v) = %v", tt.fields, weak, got)
		}
		if got := etag.Match(tt.fields, strong); got != tt.want {
			t.Errorf("Match(%q, %v) = %v", tt.fields, strong, got)
		}
	}
	unquoted := etag.Tag{Weak: true, Opaque: "-5480454928453453778"}
	if etag.Match([]string{`W/-5480454928453453778`}, unquoted) {
		t.Error("an unquoted tag matched")
	}
}

// The reference reads a list as its grammar does: a well-formed member with its comma, else whatever comes before the next comma.
var (
	refMember = regexp.MustCompile(`^[ \t]*(\*|(?:W/)?"[!#-~\x80-\xff]*")[ \t]*(?:,|$)`)
	refJunk   = regexp.MustCompile(`^[^,]*(?:,|$)`)
)

func refMembers(fields []string) (members []string) {
	for _, s := range fields {
		s = latin1(s)
		for s != "" {
			if m := refMember.FindStringSubmatch(s); m != nil {
				members = append(members, m[1])
				s = s[len(m[0]):]
			} else {
				s = s[len(refJunk.FindString(s)):]
			}
		}
	}
	return members
}

// latin1 turns every byte into the rune of that number, since a regexp sees runes and etagc means octets.
func latin1(s string) string {
	runes := make([]rune, 0, len(s))
	for _, c := range []byte(s) {
		runes = append(runes, rune(c))
	}
	return string(runes)
}

func refMatch(fields []string, opaque string) bool {
	quoted := `"` + latin1(opaque) + `"`
	return slices.ContainsFunc(refMembers(fields), func(m string) bool {
		return m == "*" || strings.TrimPrefix(m, "W/") == quoted
	})
}

func FuzzMatch(f *testing.F) {
	for _, tt := range parseTests {
		f.Add(strings.Join(tt.fields, "\n"), "c")
	}
	f.Fuzz(func(t *testing.T, joined, opaque string) {
		fields := strings.Split(joined, "\n")
		want := refMatch(fields, opaque)
		for _, weak := range []bool{false, true} {
			if got := etag.Match(fields, etag.Tag{Weak: weak, Opaque: opaque}); got != want {
				t.Errorf("Match(%q, %q) = %v, the grammar says %v", fields, opaque, got, want)
			}
		}
		var got []string
		for _, text := range parsed(fields) {
			if text != "*" {
				got = append(got, latin1(text))
			}
		}
		tags := slices.DeleteFunc(refMembers(fields), func(m string) bool { return m == "*" })
		if !slices.Equal(got, tags) {
			t.Errorf("Parse(%q) = %q, the grammar says %q", fields, got, tags)
		}
	})
}

func FuzzParseOne(f *testing.F) {
	for _, tt := range parseTests {
		f.Add(strings.Join(tt.fields, ","))
	}
	one := regexp.MustCompile(`^[ \t]*((?:W/)?"[!#-~\x80-\xff]*")[ \t]*$`)
	f.Fuzz(func(t *testing.T, s string) {
		m := one.FindStringSubmatch(latin1(s))
		tag, ok := etag.ParseOne(s)
		if ok != (m != nil) || ok && latin1(tag.String()) != m[1] {
			t.Errorf("ParseOne(%q) = %v, %v, the grammar says %q", s, tag, ok, m)
		}
	})
}

// sinkOK keeps the compiler from dropping a call.
var sinkOK bool

func TestAllocations(t *testing.T) {
	fields := []string{`W/"a", bad, "b,c"`, `"torn, W/"26c7827d889f6da3"`}
	tag := etag.Tag{Weak: true, Opaque: "26c7827d889f6da3"}
	if !etag.Match(fields, tag) {
		t.Fatal("no match")
	}
	if n := testing.AllocsPerRun(100, func() { etag.Match(fields, tag) }); n != 0 {
		t.Errorf("Match allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, sinkOK = etag.ParseOne(fields[0][:5]) }); n != 0 || !sinkOK {
		t.Errorf("ParseOne allocates %v times and says %v", n, sinkOK)
	}
	body := []byte("hello")
	if n := testing.AllocsPerRun(100, func() { etag.Weak(body) }); n > 1 {
		t.Errorf("Weak allocates %v times, want its result only", n)
	}
}

func BenchmarkMatch(b *testing.B) {
	tag := etag.Tag{Weak: true, Opaque: "26c7827d889f6da3"}
	for _, bb := range []struct{ name, field string }{
		{"one", `W/"26c7827d889f6da3"`},
		{"adversarial", strings.Repeat(`"a,`, 1000)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			fields := []string{bb.field}
			b.SetBytes(int64(len(bb.field)))
			b.ReportAllocs()
			for b.Loop() {
				sinkOK = etag.Match(fields, tag)
			}
		})
	}
}
