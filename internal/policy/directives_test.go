package policy

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseRequest(t *testing.T) {
	none := RequestDirectives{MaxAge: Unset, MaxStale: Unset, MinFresh: Unset, IfError: Unset}
	with := func(change func(*RequestDirectives)) RequestDirectives {
		d := none
		change(&d)
		return d
	}
	maxAge := func(v time.Duration) RequestDirectives { return with(func(d *RequestDirectives) { d.MaxAge = v }) }
	maxStale := func(v time.Duration) RequestDirectives { return with(func(d *RequestDirectives) { d.MaxStale = v }) }
	noCache := with(func(d *RequestDirectives) { d.NoCache = true })
	noStore := with(func(d *RequestDirectives) { d.NoStore = true })
	tests := map[string]struct {
		cacheControl, pragma []string
		want                 RequestDirectives
	}{
		"§5.2.1 nothing said":                    {want: none},
		"§5.2.1 an empty field":                  {cacheControl: []string{""}, want: none},
		"§5.2.1 unknown directives":              {cacheControl: []string{"foo, bar=1, baz=\"no-cache\""}, want: none},
		"§5.2.1.1 max-age":                       {cacheControl: []string{"max-age=5"}, want: maxAge(5 * time.Second)},
		"§5.2.1.1 max-age quoted":                {cacheControl: []string{`max-age="5"`}, want: maxAge(5 * time.Second)},
		"§5.2.1.1 max-age in capitals":           {cacheControl: []string{"MAX-AGE=5"}, want: maxAge(5 * time.Second)},
		"§5.2.1.1 max-age twice, the less":       {cacheControl: []string{"max-age=9", "max-age=5"}, want: maxAge(5 * time.Second)},
		"§5.2.1.1 max-age without a value":       {cacheControl: []string{"max-age"}, want: none},
		"§5.2.1.1 max-age that is no number":     {cacheControl: []string{"max-age=soon"}, want: none},
		"§1.2.2 max-age saturates":               {cacheControl: []string{"max-age=99999999999999999999"}, want: maxAge(maxDuration)},
		"§5.2.1.2 max-stale":                     {cacheControl: []string{"max-stale=10"}, want: maxStale(10 * time.Second)},
		"§5.2.1.2 max-stale of any age":          {cacheControl: []string{"max-stale"}, want: maxStale(math.MaxInt64)},
		"§5.2.1.2 max-stale of any age and less": {cacheControl: []string{"max-stale, max-stale=1"}, want: maxStale(time.Second)},
		"§5.2.1.2 max-stale with junk":           {cacheControl: []string{"max-stale=x"}, want: none},
		"§5.2.1.3 min-fresh twice, the more": {
			cacheControl: []string{"min-fresh=3, min-fresh=20"},
			want:         with(func(d *RequestDirectives) { d.MinFresh = 20 * time.Second }),
		},
		"§5.2.1.4 no-cache":                {cacheControl: []string{"no-cache"}, want: noCache},
		"§5.2.1.4 no-cache on line two":    {cacheControl: []string{"foo", "bar, No-Cache"}, want: noCache},
		"§5.2.1.4 no-cache with arguments": {cacheControl: []string{`no-cache="a"`}, want: noCache},
		"§5.2.1.5 no-store after junk":     {cacheControl: []string{"@ ; no-store"}, want: noStore},
		"§5.2.1.5 no-store inside a name":  {cacheControl: []string{"xno-store, no-stored"}, want: none},
		"§5.2.1.7 only-if-cached": {
			cacheControl: []string{"only-if-cached"},
			want:         with(func(d *RequestDirectives) { d.OnlyIfCached = true }),
		},
		"RFC 5861 §4 stale-if-error": {
			cacheControl: []string{"stale-if-error=60"},
			want:         with(func(d *RequestDirectives) { d.IfError = time.Minute }),
		},
		"§5.4 Pragma alone":                {pragma: []string{"No-Cache"}, want: noCache},
		"§5.4 Pragma among others":         {pragma: []string{"foo=bar", "x, no-cache"}, want: noCache},
		"§5.4 Pragma of another kind":      {pragma: []string{"xno-cache"}, want: none},
		"§5.4 Pragma beside Cache-Control": {cacheControl: []string{"max-age=5"}, pragma: []string{"no-cache"}, want: maxAge(5 * time.Second)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := ParseRequest(test.cacheControl, test.pragma); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestParseResponseDurations(t *testing.T) {
	const hour = time.Hour
	tests := map[string]struct {
		lines   []string
		want    time.Duration // of max-age
		invalid bool
	}{
		"§5.2.2.1 plain":                         {lines: []string{"max-age=3600"}, want: hour},
		"§5.2.2.1 absent":                        {lines: []string{"public"}, want: Unset},
		"§5.2 name in any case":                  {lines: []string{"MaX-aGe=3600"}, want: hour},
		"§5.2 both forms of argument":            {lines: []string{`max-age="3600"`}, want: hour},
		"§5.2 single quotes are no quotes":       {lines: []string{"max-age='3600'"}, invalid: true},
		"§1.2.2 leading zeros":                   {lines: []string{"max-age=003600"}, want: hour},
		"§1.2.2 2^31 - 1":                        {lines: []string{"max-age=2147483647"}, want: (1<<31 - 1) * time.Second},
		"§1.2.2 2^31":                            {lines: []string{"max-age=2147483648"}, want: maxDuration},
		"§1.2.2 2^31 + 1":                        {lines: []string{"max-age=2147483649"}, want: maxDuration},
		"§1.2.2 more than 64 bits":               {lines: []string{"max-age=18446744073709551617"}, want: maxDuration},
		"§4.2.1 fraction":                        {lines: []string{"max-age=3600.0"}, invalid: true},
		"§4.2.1 negative":                        {lines: []string{"max-age=-3600"}, invalid: true},
		"§4.2.1 sign":                            {lines: []string{"max-age=+3600"}, invalid: true},
		"§4.2.1 letters before":                  {lines: []string{"max-age=a3600"}, invalid: true},
		"§4.2.1 letters behind":                  {lines: []string{"max-age=3600a"}, invalid: true},
		"§4.2.1 exponent":                        {lines: []string{"max-age=36e2"}, invalid: true},
		"§4.2.1 empty":                           {lines: []string{"max-age="}, invalid: true},
		"§4.2.1 without value":                   {lines: []string{"max-age"}, invalid: true},
		"§4.2.1 empty string":                    {lines: []string{`max-age=""`}, invalid: true},
		"§4.2.1 space inside quotes":             {lines: []string{`max-age=" 3600"`}, invalid: true},
		"§4.2.1 escape inside quotes":            {lines: []string{`max-age="\3600"`}, invalid: true},
		"§4.2.1 digits of another script":        {lines: []string{"max-age=３600"}, invalid: true},
		"§4.2.1 space before equals":             {lines: []string{"max-age =3600"}, invalid: true},
		"§4.2.1 space behind equals":             {lines: []string{"max-age= 3600"}, invalid: true},
		"§4.2.1 two equals":                      {lines: []string{"max-age==3600"}, invalid: true},
		"§4.2.1 semicolon behind":                {lines: []string{"max-age=3600; public"}, invalid: true},
		"§4.2.1 no comma behind":                 {lines: []string{"max-age=3600 public"}, invalid: true},
		"§4.2.1 no comma before":                 {lines: []string{"public max-age=3600"}, invalid: true},
		"§4.2.1 junk before":                     {lines: []string{"@max-age=3600"}, invalid: true},
		"§4.2.1 string before":                   {lines: []string{`"a"max-age=3600`}, invalid: true},
		"§4.2.1 string behind":                   {lines: []string{`max-age="3600"a`}, invalid: true},
		"§4.2.1 string without end":              {lines: []string{`max-age="3600`}, invalid: true},
		"§4.2.1 behind a string without end":     {lines: []string{`a="b, max-age=3600`}, invalid: true},
		"§4.2.1 line behind that is whole":       {lines: []string{`a="b`, "max-age=3600"}, want: hour},
		"§4.2.1 fresh, then stale":               {lines: []string{"max-age=1800, max-age=1"}, want: time.Second},
		"§4.2.1 stale, then fresh":               {lines: []string{"max-age=1", "max-age=1800"}, want: time.Second},
		"§4.2.1 junk, then fresh":                {lines: []string{"max-age=a, max-age=1800"}, invalid: true},
		"§5.2.3 junk of others between commas":   {lines: []string{"&&&, a=b=c, {x}, ,, max-age=3600 , \x00"}, want: hour},
		"§5.2.3 unknown directives before":       {lines: []string{"foobar, max-age=3600"}, want: hour},
		"§5.2.3 unknown directives behind":       {lines: []string{"max-age=3600,foobar=3"}, want: hour},
		"§5.2.3 other names":                     {lines: []string{"x-max-age=1, max-agex=1, max=1"}, want: Unset},
		"RFC 9110 §5.6.4 inside another's value": {lines: []string{`a="b, max-age=1", max-age=3600`}, want: hour},
		"RFC 9110 §5.6.4 the same reversed":      {lines: []string{`max-age=3600, a="max-age=1"`}, want: hour},
		"RFC 9110 §5.6.4 escaped quote":          {lines: []string{`a="\", max-age=1", max-age=3600`}, want: hour},
		"RFC 9110 §5.6.4 escaped backslash":      {lines: []string{`a="\\", max-age=1`}, want: time.Second},
		"RFC 9110 §5.6.3 tabs":                   {lines: []string{"\tmax-age=3600\t,\tpublic"}, want: hour},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := ParseResponse(test.lines)
			if got.MaxAge != test.want || got.Invalid != test.invalid {
				t.Errorf("max-age %v, invalid %v; want %v, %v", got.MaxAge, got.Invalid, test.want, test.invalid)
			}
			// The other directives with delta-seconds are read in the same way.
			for i, line := range test.lines {
				test.lines[i] = strings.NewReplacer("max-age", "s-maxage", "MaX-aGe", "S-MaxAge").Replace(line)
			}
			if other := ParseResponse(test.lines); other.SMaxAge != test.want || other.MaxAge != Unset {
				t.Errorf("s-maxage %v, want %v", other.SMaxAge, test.want)
			}
		})
	}
}

func TestParseResponseFlags(t *testing.T) {
	flags := func(lines ...string) []string {
		var set []string
		d := reflect.ValueOf(ParseResponse(lines))
		for i := range d.NumField() {
			switch v := d.Field(i).Interface().(type) {
			case bool:
				if v {
					set = append(set, d.Type().Field(i).Name)
				}
			case []string:
				for _, field := range v {
					set = append(set, d.Type().Field(i).Name+":"+field)
				}
			}
		}
		return set
	}
	tests := map[string]struct {
		lines []string
		want  []string
	}{
		"§5.2.2 all of them": {
			[]string{"no-store,NO-CACHE, Private", "public,must-understand,must-revalidate,proxy-revalidate,immutable,no-transform"},
			[]string{
				"NoStore", "NoCache", "Private", "Public", "MustUnderstand", "MustRevalidate", "ProxyRevalidate",
			},
		},
		"§5.2 what forbids counts with an argument":   {[]string{"no-store=1, must-revalidate=x"}, []string{"NoStore", "MustRevalidate"}},
		"§5.2 what permits does not":                  {[]string{"public=1, must-understand=x"}, nil},
		"§5.2 what forbids counts beside junk":        {[]string{"max-age 3 no-store; private"}, []string{"NoStore", "Private", "Invalid"}},
		"§5.2 what permits does not, there":           {[]string{"public; x, x public"}, nil},
		"§5.2.2.4 no-cache with a name":               {[]string{`no-cache="set-cookie"`}, []string{"NoCacheFields:Set-Cookie"}},
		"§5.2.2.4 no-cache with names":                {[]string{`no-cache="a , ,B"`}, []string{"NoCacheFields:A", "NoCacheFields:B"}},
		"§5.2.2.4 no-cache with a token":              {[]string{"no-cache=a, b"}, []string{"NoCacheFields:A"}},
		"§5.2.2.4 no-cache in both forms":             {[]string{`no-cache="a"`, "no-cache"}, []string{"NoCache", "NoCacheFields:A"}},
		"§5.2.2.4 no-cache with no name":              {[]string{`no-cache=""`}, []string{"NoCache"}},
		"§5.2.2.4 no-cache with what is no name":      {[]string{`no-cache="a b"`}, []string{"NoCache"}},
		"§5.2.2.4 no-cache with an escape":            {[]string{`no-cache="a\b"`}, []string{"NoCache"}},
		"§5.2.2.4 no-cache with a string without end": {[]string{`no-cache="a`}, []string{"NoCache"}},
		"§5.2.2.7 private with names":                 {[]string{`private="a", private="b"`}, []string{"PrivateFields:A", "PrivateFields:B"}},
		"§5.2.2.7 private and names":                  {[]string{`private, private="b"`}, []string{"Private", "PrivateFields:B"}},
		"RFC 9110 §5.6.4 inside another's value":      {[]string{`a="no-store, private"`}, nil},
		"RFC 9110 §5.6.4 behind a string without end": {[]string{`a="b, no-store`}, []string{"NoStore"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := flags(test.lines...); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestParseResponseStaleWindows(t *testing.T) {
	d := ParseResponse([]string{"stale-while-revalidate=30, stale-if-error=60, stale-if-error=50"})
	if d.WhileRevalidate != 30*time.Second || d.IfError != 50*time.Second {
		t.Errorf("RFC 5861: %v, %v", d.WhileRevalidate, d.IfError)
	}
	d = ParseResponse([]string{"stale-while-revalidate=x, stale-if-error"})
	if d.WhileRevalidate != 0 || d.IfError != 0 {
		t.Errorf("RFC 5861, invalid: %v, %v", d.WhileRevalidate, d.IfError)
	}
	if d := ParseResponse(nil); d.WhileRevalidate != Unset || d.IfError != Unset {
		t.Errorf("RFC 5861, absent: %v, %v", d.WhileRevalidate, d.IfError)
	}
}

func TestRewriteClient(t *testing.T) {
	shared := func(name string) bool {
		return slices.Contains([]string{"max-age", "s-maxage", "public", "private", "no-cache"}, name)
	}
	tests := map[string]struct {
		lines []string
		add   []string
		want  string
	}{
		"nothing there":               {nil, []string{"max-age=29"}, "max-age=29"},
		"nothing left":                {[]string{"max-age=3"}, nil, ""},
		"others stay as they are":     {[]string{`Foo="a, max-age=1" ,, BAR`}, []string{"max-age=29"}, `Foo="a, max-age=1", BAR, max-age=29`},
		"names in any case":           {[]string{"Max-Age=3, PUBLIC", "s-maxage=9, no-transform"}, []string{"private", "max-age=3"}, "no-transform, private, max-age=3"},
		"withheld fields":             {[]string{`no-cache="Set-Cookie", no-cache`, `No-Cache=Foo, no-cache=""`}, nil, `no-cache="Set-Cookie", No-Cache=Foo`},
		"space before equals":         {[]string{"max-age =3"}, []string{"max-age=1"}, "max-age=1"},
		"no comma between":            {[]string{"foo max-age=3"}, []string{"max-age=1"}, "max-age=1"},
		"a string without end is out": {[]string{`a, foo="bar`, "b"}, []string{"max-age=1"}, "a, b, max-age=1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := RewriteClient(test.lines, shared, test.add...); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestParseRequestDoesNotAllocate(t *testing.T) {
	for _, lines := range [][]string{nil, {"no-cache"}, {"max-age=0"}, {"Max-Stale, min-fresh=3", `foo="bar", only-if-cached`}} {
		pragma := []string{"no-cache"}
		if n := testing.AllocsPerRun(100, func() { ParseRequest(lines, pragma) }); n != 0 {
			t.Errorf("%q: %v allocations", lines, n)
		}
	}
}

func TestParseResponseDoesNotAllocateWithoutFieldNames(t *testing.T) {
	lines := []string{`public, max-age=3600, stale-while-revalidate=30, foo="bar"`, "must-revalidate"}
	if n := testing.AllocsPerRun(100, func() { ParseResponse(lines) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzDirectives holds that nothing written before or behind a directive hides it or makes it longer, and that a
// rewritten field says what was added.
func FuzzDirectives(f *testing.F) {
	for _, seed := range []string{
		"", `max-age="3`, `a="\`, `x "y" z`, "max-age=9 max-age", `"`, `=`, `no-cache="a,b"`, "max-age = 1", "a\"b\", c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, junk string) {
		for _, line := range []string{junk + ", no-store, max-age=5", "no-store, max-age=5, " + junk} {
			d := ParseResponse([]string{line})
			if !d.NoStore || d.MaxAge < 0 || d.MaxAge > 5*time.Second {
				t.Errorf("%q: no-store %v, max-age %v", line, d.NoStore, d.MaxAge)
			}
			if !ParseRequest([]string{line}, nil).NoStore {
				t.Errorf("%q: no-store is hidden in a request", line)
			}
		}
		rewritten := RewriteClient([]string{junk}, func(name string) bool { return name == "max-age" }, "max-age=29")
		if d := ParseResponse([]string{rewritten}); d.MaxAge != 29*time.Second {
			t.Errorf("%q became %q, max-age %v", junk, rewritten, d.MaxAge)
		}
	})
}

func BenchmarkParseRequest(b *testing.B) {
	lines := []string{"max-age=0, no-cache"}
	b.ReportAllocs()
	for b.Loop() {
		ParseRequest(lines, nil)
	}
}

func BenchmarkParseResponse(b *testing.B) {
	lines := []string{"public, max-age=3600, stale-while-revalidate=30"}
	b.ReportAllocs()
	for b.Loop() {
		ParseResponse(lines)
	}
}
