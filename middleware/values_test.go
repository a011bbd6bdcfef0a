package middleware_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	larder "github.com/larderhq/larder/middleware"
)

// notReused is the lifetime of what a second request does not get from the store.
const notReused = -1

// fieldTest is a response given by its field lines, and the seconds of freshness that are left when a second request comes at
// the same instant, the start of a bubble's clock: Sat, 01 Jan 2000 00:00:00 GMT.
type fieldTest struct {
	name  string
	lines []string
	want  int
}

func (tt fieldTest) run(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache, err := larder.New(larder.Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = cache.Close() }() // its errors are another test's
		h := cache.FromHeaders()(tt)
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
		if got := remaining(t, rec.Header()); got != tt.want {
			t.Errorf("%q is fresh for %d s, want %d", tt.lines, got, tt.want)
		}
	})
}

// ServeHTTP is the origin; its tag is of no use, since the handler answers 200 whatever is asked.
func (tt fieldTest) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Date", "Sat, 01 Jan 2000 00:00:00 GMT")
	w.Header().Set("Etag", `"v1"`)
	for _, line := range tt.lines {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Date" {
			w.Header().Del(name)
		}
		w.Header().Add(name, value)
	}
}

var ttl = regexp.MustCompile(`^larder; hit; ttl=(-?\d+)$`)

// remaining is the ttl of a hit's Cache-Status.
func remaining(t *testing.T, h http.Header) int {
	t.Helper()
	m := ttl.FindStringSubmatch(h.Get("Cache-Status"))
	if m == nil {
		return notReused
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func runFieldTests(t *testing.T, tests []fieldTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}

// RFC 9111 §1.2.2, §4.2.1, §5.2.
func TestMaxAgeAsServed(t *testing.T) {
	const infinite = 1 << 31
	runFieldTests(t, []fieldTest{
		{"nothing", nil, notReused},
		{"max-age", []string{"Cache-Control: max-age=3600"}, 3600},
		{"zero", []string{"Cache-Control: max-age=0"}, notReused},
		{"upper case", []string{"Cache-Control: MAX-AGE=3600"}, 3600},
		{"mixed case", []string{"Cache-Control: mAx-aGe=3600"}, 3600},
		{"leading zeros", []string{"Cache-Control: max-age=003600"}, 3600},
		{"many leading zeros", []string{"Cache-Control: max-age=00000000000000000000003600"}, 3600},
		{"quoted", []string{`Cache-Control: max-age="3600"`}, 3600},
		{"single-quoted", []string{"Cache-Control: max-age='3600'"}, notReused},
		{"half-quoted", []string{`Cache-Control: max-age="3600`}, notReused},
		{"sign plus", []string{"Cache-Control: max-age=+3600"}, notReused},
		{"sign minus", []string{"Cache-Control: max-age=-3600"}, notReused},
		{"fraction", []string{"Cache-Control: max-age=3600.5"}, notReused},
		{"zero fraction", []string{"Cache-Control: max-age=3600.0"}, notReused},
		{"exponent", []string{"Cache-Control: max-age=1e3"}, notReused},
		{"hexadecimal", []string{"Cache-Control: max-age=0x10"}, notReused},
		{"letters before", []string{"Cache-Control: max-age=a3600"}, notReused},
		{"letters behind", []string{"Cache-Control: max-age=3600a"}, notReused},
		{"no value", []string{"Cache-Control: max-age"}, notReused},
		{"empty value", []string{"Cache-Control: max-age="}, notReused},
		{"empty quotes", []string{`Cache-Control: max-age=""`}, notReused},
		{"space before equals", []string{"Cache-Control: max-age =3600"}, notReused},
		{"space after equals", []string{"Cache-Control: max-age= 3600"}, notReused},
		{"other digits", []string{"Cache-Control: max-age=٣٦٠٠"}, notReused},
		{"2^31", []string{"Cache-Control: max-age=2147483648"}, infinite},
		{"2^31 - 1", []string{"Cache-Control: max-age=2147483647"}, infinite - 1},
		{"2^32", []string{"Cache-Control: max-age=4294967296"}, infinite},
		{"2^64", []string{"Cache-Control: max-age=18446744073709551616"}, infinite},
		{"forty digits", []string{"Cache-Control: max-age=" + strings.Repeat("9", 40)}, infinite},
		{"twice the same", []string{"Cache-Control: max-age=60, max-age=60"}, 60},
		{"twice, shorter last", []string{"Cache-Control: max-age=3600, max-age=60"}, 60},
		{"twice, shorter first", []string{"Cache-Control: max-age=60, max-age=3600"}, 60},
		{"twice, zero last", []string{"Cache-Control: max-age=60, max-age=0"}, notReused},
		{"twice on lines", []string{"Cache-Control: max-age=3600", "Cache-Control: max-age=60"}, 60},
		{"valid and invalid", []string{"Cache-Control: max-age=60, max-age=x"}, notReused},
		{"on the second line", []string{"Cache-Control: public", "Cache-Control: max-age=60"}, 60},
		{"behind an extension", []string{"Cache-Control: foo, max-age=60"}, 60},
		{"behind an extension with a value", []string{"Cache-Control: foo=bar, max-age=60"}, 60},
		{"behind an extension that is quoted", []string{`Cache-Control: foo="a, b=\"c", max-age=60`}, 60},
		{"inside quotes", []string{`Cache-Control: foo="max-age=60"`}, notReused},
		{"inside quotes, in a list", []string{`Cache-Control: foo="bar, max-age=60", max-age=30`}, 30},
		{"no-store inside quotes", []string{`Cache-Control: foo="no-store", max-age=60`}, 60},
		{"empty members", []string{"Cache-Control: , ,max-age=60,,"}, 60},
		{"tabs", []string{"Cache-Control: foo,\tmax-age=60\t"}, 60},
		{"no space", []string{"Cache-Control: public,max-age=60,foo"}, 60},
		{"junk between", []string{"Cache-Control: ;;, max-age=60"}, 60},
		{"semicolon for comma", []string{"Cache-Control: public; max-age=60"}, notReused},
		{"another name", []string{"Cache-Control: x-max-age=60"}, notReused},
		{"conflict with no-cache", []string{"Cache-Control: max-age=60, no-cache"}, notReused},
		{"conflict with no-store", []string{"Cache-Control: max-age=60, no-store"}, notReused},
		{"no-store with a value", []string{"Cache-Control: max-age=60, no-store=foo"}, notReused},
		{"s-maxage", []string{"Cache-Control: s-maxage=60"}, 60},
		{"s-maxage over max-age", []string{"Cache-Control: max-age=3600, s-maxage=60"}, 60},
		{"s-maxage longer", []string{"Cache-Control: s-maxage=3600, max-age=60"}, 3600},
		{"s-maxage zero", []string{"Cache-Control: s-maxage=0, max-age=60"}, notReused},
		{"s-maxage invalid", []string{"Cache-Control: s-maxage=x, max-age=60"}, notReused},
		{"Expires in the past", []string{"Cache-Control: max-age=60", "Expires: Thu, 01 Jan 1970 00:00:00 GMT"}, 60},
		{"Expires in the future", []string{"Cache-Control: max-age=0", "Expires: Mon, 01 Jan 2001 00:00:00 GMT"}, notReused},
		{"Expires, max-age invalid", []string{"Cache-Control: max-age=x", "Expires: Mon, 01 Jan 2001 00:00:00 GMT"}, notReused},
		{"public alone", []string{"Cache-Control: public"}, notReused},
		{"must-revalidate while fresh", []string{"Cache-Control: max-age=60, must-revalidate"}, 60},
		{"immutable while fresh", []string{"Cache-Control: max-age=60, immutable"}, 60},
		{"Pragma", []string{"Cache-Control: max-age=60", "Pragma: no-cache"}, 60},
	})
}

// RFC 9110 §5.6.7, RFC 9111 §4.2, §5.3.
func TestExpiresAsServed(t *testing.T) {
	runFieldTests(t, []fieldTest{
		{"IMF-fixdate", []string{"Expires: Sat, 01 Jan 2000 01:00:00 GMT"}, 3600},
		{"RFC 850", []string{"Expires: Saturday, 01-Jan-00 01:00:00 GMT"}, 3600},
		{"asctime", []string{"Expires: Sat Jan  1 01:00:00 2000"}, 3600},
		{"now", []string{"Expires: Sat, 01 Jan 2000 00:00:00 GMT"}, notReused},
		{"one second", []string{"Expires: Sat, 01 Jan 2000 00:00:01 GMT"}, 1},
		{"past", []string{"Expires: Fri, 31 Dec 1999 23:59:59 GMT"}, notReused},
		{"far", []string{"Expires: Sun, 21 Nov 2286 04:46:39 GMT"}, 1 << 31},
		{"beyond 32 bits", []string{"Expires: Tue, 19 Jan 2038 14:14:08 GMT"}, 1200838448},
		{"lower case", []string{"Expires: sat, 01 jan 2000 01:00:00 gmt"}, 3600},
		{"upper case", []string{"Expires: SAT, 01 JAN 2000 01:00:00 GMT"}, 3600},
		{"another day's name", []string{"Expires: Mon, 01 Jan 2000 01:00:00 GMT"}, 3600},
		{"space around", []string{"Expires:  Sat, 01 Jan 2000 01:00:00 GMT "}, 3600},
		{"zero", []string{"Expires: 0"}, notReused},
		{"minus one", []string{"Expires: -1"}, notReused},
		{"empty", []string{"Expires: "}, notReused},
		{"seconds", []string{"Expires: 3600"}, notReused},
		{"UTC", []string{"Expires: Sat, 01 Jan 2000 01:00:00 UTC"}, notReused},
		{"AEST", []string{"Expires: Sat, 01 Jan 2000 11:00:00 AEST"}, notReused},
		{"offset", []string{"Expires: Sat, 01 Jan 2000 01:00:00 +0000"}, notReused},
		{"no zone", []string{"Expires: Sat, 01 Jan 2000 01:00:00"}, notReused},
		{"no day's name", []string{"Expires: 01 Jan 2000 01:00:00 GMT"}, notReused},
		{"unknown day's name", []string{"Expires: Foo, 01 Jan 2000 01:00:00 GMT"}, notReused},
		{"no comma", []string{"Expires: Sat 01 Jan 2000 01:00:00 GMT"}, notReused},
		{"several spaces", []string{"Expires: Sat, 01  Jan 2000 01:00:00 GMT"}, notReused},
		{"dashes", []string{"Expires: Sat, 01-Jan-2000 01:00:00 GMT"}, notReused},
		{"one-digit day", []string{"Expires: Sat, 1 Jan 2000 01:00:00 GMT"}, notReused},
		{"one-digit hour", []string{"Expires: Sat, 01 Jan 2000 1:00:00 GMT"}, notReused},
		{"two-digit year", []string{"Expires: Sat, 01 Jan 00 01:00:00 GMT"}, notReused},
		{"three-digit year", []string{"Expires: Sat, 01 Jan 200 01:00:00 GMT"}, notReused},
		{"four-digit year in RFC 850", []string{"Expires: Saturday, 01-Jan-2000 01:00:00 GMT"}, notReused},
		{"RFC 850 more than 50 years ahead", []string{"Expires: Sunday, 01-Jan-51 01:00:00 GMT"}, notReused},
		{"no colons", []string{"Expires: Sat, 01 Jan 2000 010000 GMT"}, notReused},
		{"dots", []string{"Expires: Sat, 01 Jan 2000 01.00.00 GMT"}, notReused},
		{"no seconds", []string{"Expires: Sat, 01 Jan 2000 01:00 GMT"}, notReused},
		{"hour 24", []string{"Expires: Sat, 01 Jan 2000 24:00:00 GMT"}, notReused},
		{"minute 60", []string{"Expires: Sat, 01 Jan 2000 01:60:00 GMT"}, notReused},
		{"31 April", []string{"Expires: Mon, 31 Apr 2000 01:00:00 GMT"}, notReused},
		{"month by number", []string{"Expires: Sat, 01 01 2000 01:00:00 GMT"}, notReused},
		{"ISO 8601", []string{"Expires: 2000-01-01T01:00:00Z"}, notReused},
		{"behind junk", []string{"Expires: x Sat, 01 Jan 2000 01:00:00 GMT"}, notReused},
		{"before junk", []string{"Expires: Sat, 01 Jan 2000 01:00:00 GMT x"}, notReused},
		{"list", []string{"Expires: Sat, 01 Jan 2000 01:00:00 GMT, Sat, 01 Jan 2000 02:00:00 GMT"}, notReused},
		{"two lines", []string{"Expires: Sat, 01 Jan 2000 01:00:00 GMT", "Expires: Sat, 01 Jan 2000 01:00:00 GMT"}, notReused},
		{"minus Date behind", []string{"Date: Fri, 31 Dec 1999 23:00:00 GMT", "Expires: Fri, 31 Dec 1999 23:10:00 GMT"}, 600},
		{"minus Date ahead", []string{"Date: Sat, 01 Jan 2000 05:00:00 GMT", "Expires: Sat, 01 Jan 2000 05:10:00 GMT"}, 600},
		{"Date invalid", []string{"Date: foo", "Expires: Sat, 01 Jan 2000 01:00:00 GMT"}, 3600},
	})
}

// RFC 9111 §4.2.3, §5.1.
func TestAgeAsServed(t *testing.T) {
	const life = "Cache-Control: max-age=3600"
	runFieldTests(t, []fieldTest{
		{"none", []string{life}, 3600},
		{"zero", []string{life, "Age: 0"}, 3600},
		{"some", []string{life, "Age: 600"}, 3000},
		{"leading zeros", []string{life, "Age: 000600"}, 3000},
		{"all", []string{life, "Age: 3600"}, notReused},
		{"more", []string{life, "Age: 7200"}, notReused},
		{"2^31", []string{life, "Age: 2147483648"}, notReused},
		{"overflow", []string{life, "Age: 99999999999999999999"}, notReused},
		{"letters", []string{life, "Age: abc"}, 3600},
		{"letters behind", []string{life, "Age: 7200a"}, 3600},
		{"letters before", []string{life, "Age: a7200"}, 3600},
		{"fraction", []string{life, "Age: 7200.0"}, 3600},
		{"negative", []string{life, "Age: -7200"}, 3600},
		{"signed", []string{life, "Age: +7200"}, 3600},
		{"quoted", []string{life, `Age: "7200"`}, 3600},
		{"parameter", []string{life, "Age: 7200;foo=bar"}, 3600},
		{"empty", []string{life, "Age: "}, 3600},
		{"list, old first", []string{life, "Age: 7200, 0"}, notReused},
		{"list, young first", []string{life, "Age: 0, 7200"}, 3600},
		{"lines, old first", []string{life, "Age: 7200", "Age: 0"}, notReused},
		{"lines, young first", []string{life, "Age: 0", "Age: 7200"}, 3600},
		{"list, invalid first", []string{life, "Age: x, 7200"}, 3600},
		{"Expires less Age", []string{"Expires: Sat, 01 Jan 2000 01:00:00 GMT", "Age: 600"}, 3000},
		{"Date behind", []string{life, "Date: Fri, 31 Dec 1999 00:00:00 GMT"}, 3600},
		{"Date ahead", []string{life, "Date: Sun, 02 Jan 2000 00:00:00 GMT"}, 3600},
		{"Date invalid", []string{life, "Date: yesterday"}, 3600},
	})
}

// RFC 9213 §2.1, §2.2.
func TestTargetedAsServed(t *testing.T) {
	const life = "Cache-Control: max-age=60"
	runFieldTests(t, []fieldTest{
		{"alone", []string{"CDN-Cache-Control: max-age=600"}, 600},
		{"longer", []string{life, "CDN-Cache-Control: max-age=600"}, 600},
		{"shorter", []string{life, "CDN-Cache-Control: max-age=6"}, 6},
		{"zero", []string{life, "CDN-Cache-Control: max-age=0"}, notReused},
		{"with Age", []string{life, "CDN-Cache-Control: max-age=600", "Age: 100"}, 500},
		{"Expires ignored", []string{"Expires: Mon, 01 Jan 2001 00:00:00 GMT", "CDN-Cache-Control: max-age=600"}, 600},
		{"Expires ignored, no lifetime", []string{"Expires: Mon, 01 Jan 2001 00:00:00 GMT", "CDN-Cache-Control: none"}, notReused},
		{"Cache-Control no-store", []string{"Cache-Control: no-store", "CDN-Cache-Control: max-age=600"}, 600},
		{"no-store", []string{life, "CDN-Cache-Control: no-store"}, notReused},
		{"no-cache", []string{life, "CDN-Cache-Control: no-cache"}, notReused},
		{"no-cache and max-age", []string{life, "CDN-Cache-Control: max-age=600, no-cache"}, notReused},
		{"private", []string{life, "CDN-Cache-Control: private"}, notReused},
		{"must-revalidate", []string{life, "CDN-Cache-Control: must-revalidate, max-age=600"}, 600},
		{"s-maxage", []string{life, "CDN-Cache-Control: s-maxage=600, max-age=6"}, 600},
		{"extension", []string{life, "CDN-Cache-Control: foo, max-age=600, bar=2"}, 600},
		{"parameter", []string{life, "CDN-Cache-Control: max-age=600;a=b"}, 600},
		{"lines", []string{life, "CDN-Cache-Control: foo", "CDN-Cache-Control: max-age=600"}, 600},
		{"last of two keys counts", []string{life, "CDN-Cache-Control: max-age=6, max-age=600"}, 600},
		{"upper case does not parse", []string{life, "CDN-Cache-Control: Max-Age=600"}, 60},
		{"space before equals does not parse", []string{life, "CDN-Cache-Control: max-age =600"}, 60},
		{"space after equals does not parse", []string{life, "CDN-Cache-Control: max-age= 600"}, 60},
		{"trailing comma does not parse", []string{life, "CDN-Cache-Control: max-age=600,"}, 60},
		{"invalid anywhere is ignored whole", []string{life, "CDN-Cache-Control: no-store, &"}, 60},
		{"empty", []string{life, "CDN-Cache-Control: "}, 60},
		{"leading zeros are an Integer", []string{life, "CDN-Cache-Control: max-age=0600"}, 600},
		{"Decimal", []string{life, "CDN-Cache-Control: max-age=600.0"}, notReused},
		{"String", []string{life, `CDN-Cache-Control: max-age="600"`}, notReused},
		{"negative", []string{life, "CDN-Cache-Control: max-age=-600"}, notReused},
		{"a false no-store is malformed, so it forbids", []string{life, "CDN-Cache-Control: max-age=600, no-store=?0"}, notReused},
		{"not a target", []string{life, "Example-Cache-Control: no-store"}, 60},
		{"Surrogate-Control", []string{life, "Surrogate-Control: no-store"}, 60},
	})
}
