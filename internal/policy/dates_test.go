package policy

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestParseDate(t *testing.T) {
	nov6 := time.Date(1994, time.November, 6, 8, 49, 37, 0, time.UTC)
	tests := map[string]struct {
		date string
		want time.Time // zero: invalid
	}{
		"IMF-fixdate":                       {"Sun, 06 Nov 1994 08:49:37 GMT", nov6},
		"RFC 850":                           {"Sunday, 06-Nov-94 08:49:37 GMT", nov6},
		"asctime":                           {"Sun Nov  6 08:49:37 1994", nov6},
		"asctime, two digits":               {"Wed Nov 16 08:49:37 1994", nov6.AddDate(0, 0, 10)},
		"asctime, a zero":                   {"Sun Nov 06 08:49:37 1994", nov6},
		"month in another case":             {"Sun, 06 nOV 1994 08:49:37 GMT", nov6},
		"day in another case":               {"sUN, 06 Nov 1994 08:49:37 GMT", nov6},
		"zone in another case":              {"Sun, 06 Nov 1994 08:49:37 gMT", nov6},
		"long day in another case":          {"SUNDAY, 06-NOV-94 08:49:37 gmt", nov6},
		"far future":                        {"Sun, 21 Nov 9999 04:46:02 GMT", time.Date(9999, time.November, 21, 4, 46, 2, 0, time.UTC)},
		"leap day":                          {"Tue, 29 Feb 2000 00:00:00 GMT", time.Date(2000, time.February, 29, 0, 0, 0, 0, time.UTC)},
		"leap second":                       {"Sat, 31 Dec 2016 23:59:60 GMT", time.Date(2016, time.December, 31, 23, 59, 59, 0, time.UTC)},
		"two digits, last year":             {"Monday, 01-Jan-69 00:00:00 GMT", time.Date(2069, time.January, 1, 0, 0, 0, 0, time.UTC)},
		"two digits, first year":            {"Monday, 01-Jan-70 00:00:00 GMT", time.Unix(0, 0).UTC()},
		"invalid: empty":                    {date: ""},
		"invalid: 0":                        {date: "0"},
		"invalid: -1":                       {date: "-1"},
		"invalid: one-digit hour":           {date: "Sun, 06 Nov 1994 8:49:37 GMT"},
		"invalid: one-digit day":            {date: "Sun, 6 Nov 1994 08:49:37 GMT"},
		"invalid: padded day":               {date: "Sun,  6 Nov 1994 08:49:37 GMT"},
		"invalid: two-digit year":           {date: "Sun, 06 Nov 94 08:49:37 GMT"},
		"invalid: five-digit year":          {date: "Sun, 06 Nov 19940 08:49:37 GMT"},
		"invalid: repeated spaces":          {date: "Sun, 06  Nov 1994 08:49:37 GMT"},
		"invalid: spaces before zone":       {date: "Sun, 06 Nov 1994 08:49:37  GMT"},
		"invalid: no space":                 {date: "Sun,06 Nov 1994 08:49:37 GMT"},
		"invalid: no comma":                 {date: "Sun 06 Nov 1994 08:49:37 GMT"},
		"invalid: no day name":              {date: "06 Nov 1994 08:49:37 GMT"},
		"invalid: unknown day":              {date: "Sum, 06 Nov 1994 08:49:37 GMT"},
		"invalid: unknown month":            {date: "Sun, 06 Nof 1994 08:49:37 GMT"},
		"invalid: UTC":                      {date: "Sun, 06 Nov 1994 08:49:37 UTC"},
		"invalid: AEST":                     {date: "Sun, 06 Nov 1994 08:49:37 AEST"},
		"invalid: offset":                   {date: "Sun, 06 Nov 1994 08:49:37 +0000"},
		"invalid: no zone":                  {date: "Sun, 06 Nov 1994 08:49:37"},
		"invalid: longer zone":              {date: "Sun, 06 Nov 1994 08:49:37 GMTX"},
		"invalid: behind":                   {date: "Sun, 06 Nov 1994 08:49:37 GMT "},
		"invalid: before":                   {date: " Sun, 06 Nov 1994 08:49:37 GMT"},
		"invalid: dashes":                   {date: "Sun, 06-Nov-1994 08:49:37 GMT"},
		"invalid: short day in RFC 850":     {date: "Sun, 06-Nov-94 08:49:37 GMT"},
		"invalid: long day in IMF-fixdate":  {date: "Sunday, 06 Nov 1994 08:49:37 GMT"},
		"invalid: cut day":                  {date: "Sund, 06-Nov-94 08:49:37 GMT"},
		"invalid: long month":               {date: "Sun, 06 November 1994 08:49:37 GMT"},
		"invalid: periods":                  {date: "Sun, 06 Nov 1994 08.49.37 GMT"},
		"invalid: fraction":                 {date: "Sun, 06 Nov 1994 08:49:37.5 GMT"},
		"invalid: hour 24":                  {date: "Sun, 06 Nov 1994 24:00:00 GMT"},
		"invalid: minute 60":                {date: "Sun, 06 Nov 1994 08:60:00 GMT"},
		"invalid: second 61":                {date: "Sat, 31 Dec 2016 23:59:61 GMT"},
		"invalid: leap second of an hour":   {date: "Sat, 31 Dec 2016 23:58:60 GMT"},
		"invalid: leap second at noon":      {date: "Sat, 31 Dec 2016 12:00:60 GMT"},
		"invalid: day 0":                    {date: "Sun, 00 Nov 1994 08:49:37 GMT"},
		"invalid: day 31":                   {date: "Sun, 31 Nov 1994 08:49:37 GMT"},
		"invalid: no leap day":              {date: "Mon, 29 Feb 1900 00:00:00 GMT"},
		"invalid: asctime, unpadded":        {date: "Sun Nov 6 08:49:37 1994"},
		"invalid: asctime with zone":        {date: "Sun Nov  6 08:49:37 1994 GMT"},
		"invalid: asctime with spaces":      {date: "Sun Nov  6  08:49:37 1994"},
		"invalid: ISO 8601":                 {date: "1994-11-06T08:49:37Z"},
		"invalid: Unix time":                {date: "784111777"},
		"invalid: two in one":               {date: "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT"},
		"invalid: digits of another script": {date: "Sun, ٠6 Nov 1994 08:49:37 GMT"},
	}
	for name, test := range tests {
		t.Run("RFC 9110 §5.6.7 "+name, func(t *testing.T) {
			got, ok := ParseDate(test.date)
			if ok == test.want.IsZero() || !got.Equal(test.want) {
				t.Errorf("%q: got %v, %v; want %v", test.date, got, ok, test.want)
			}
		})
	}
}

func TestParseDateAt(t *testing.T) {
	tests := map[string]struct {
		now, date string
		want      int // year, 0 for invalid
	}{
		"§5.6.7 near past":                  {"2026-07-01", "Sunday, 06-Nov-94 08:49:37 GMT", 1994},
		"§5.6.7 near future":                {"2026-07-01", "Friday, 06-Nov-26 08:49:37 GMT", 2026},
		"§5.6.7 just under 50 years ahead":  {"2026-07-01", "Tuesday, 30-Jun-76 00:00:00 GMT", 2076},
		"§5.6.7 just over 50 years ahead":   {"2026-07-01", "Friday, 02-Jul-76 00:00:00 GMT", 1976},
		"§5.6.7 the next century":           {"2099-07-01", "Sunday, 06-Nov-05 08:49:37 GMT", 2105},
		"§5.6.7 the last century":           {"2001-07-01", "Sunday, 06-Nov-99 08:49:37 GMT", 1999},
		"§5.6.7 a leap day of one century":  {"2051-07-01", "Tuesday, 29-Feb-00 00:00:00 GMT", 2000},
		"§5.6.7 a leap day of neither":      {"2151-07-01", "Tuesday, 29-Feb-00 00:00:00 GMT", 0},
		"§5.6.7 four digits are as written": {"2026-07-01", "Sun, 06 Nov 2094 08:49:37 GMT", 2094},
		"§5.6.7 invalid":                    {"2026-07-01", "Sunday, 06-Nov-9 08:49:37 GMT", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			now, err := time.Parse(time.DateOnly, test.now)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := ParseDateAt(test.date, now)
			if ok != (test.want != 0) || ok && got.Year() != test.want {
				t.Errorf("got %v, %v", got, ok)
			}
		})
	}
}

func TestAppendDate(t *testing.T) {
	if got := string(AppendDate(nil, 784111777)); got != "Sun, 06 Nov 1994 08:49:37 GMT" {
		t.Error(got)
	}
	buffer := make([]byte, 0, len(http.TimeFormat))
	if n := testing.AllocsPerRun(100, func() { AppendDate(buffer, 784111777) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestParseDateDoesNotAllocate(t *testing.T) {
	for _, date := range []string{"Sun, 06 Nov 1994 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sunday, 06-Nov-94 08:49:37 GMT"} {
		if n := testing.AllocsPerRun(100, func() { ParseDate(date) }); n != 0 {
			t.Errorf("%s: %v allocations", date, n)
		}
	}
}

// The grammar of RFC 9110 §5.6.7 as regular expressions: the reference that ParseDate is compared with.
var dateGrammar = []*regexp.Regexp{
	regexp.MustCompile(`^(?i:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<d>[0-9]{2}) (?P<m>[A-Za-z]{3}) (?P<y>[0-9]{4}) (?P<t>[0-9:]{8}) (?i:GMT)$`),
	regexp.MustCompile(`^(?i:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday), (?P<d>[0-9]{2})-(?P<m>[A-Za-z]{3})-(?P<y>[0-9]{2}) (?P<t>[0-9:]{8}) (?i:GMT)$`),
	regexp.MustCompile(`^(?i:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?P<m>[A-Za-z]{3}) (?P<d>[0-9 ][0-9]) (?P<t>[0-9:]{8}) (?P<y>[0-9]{4})$`),
}

func referenceDate(s string) (time.Time, bool) {
	for _, grammar := range dateGrammar {
		match := grammar.FindStringSubmatch(s)
		if match == nil {
			continue
		}
		part := func(name string) string { return match[grammar.SubexpIndex(name)] }
		year := part("y")
		if len(year) == 2 {
			year = map[bool]string{true: "19", false: "20"}[year >= "70"] + year
		}
		clock, leap := part("t"), part("t") == "23:59:60"
		if leap {
			clock = "23:59:59"
		}
		day := strings.ReplaceAll(part("d"), " ", "0")
		t, err := time.Parse("2006 Jan 02 15:04:05", year+" "+part("m")+" "+day+" "+clock)
		return t, err == nil && day != "00"
	}
	return time.Time{}, false
}

func FuzzParseDate(f *testing.F) {
	for _, seed := range []string{
		"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
		"Sat, 31 Dec 2016 23:59:60 GMT", "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 29 Feb 0000 00:00:00 gmt",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := ParseDate(s)
		want, wantOK := referenceDate(s)
		if ok != wantOK || ok && !got.Equal(want) {
			t.Errorf("%q: got %v, %v; want %v, %v", s, got, ok, want, wantOK)
		}
	})
}

// TestParseDateAgainstReference walks around valid dates, which random text seldom is.
func TestParseDateAgainstReference(t *testing.T) {
	for _, base := range []string{"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"} {
		for i := range len(base) {
			for c := range 128 {
				for _, s := range []string{base[:i] + string(rune(c)) + base[i+1:], base[:i] + string(rune(c)) + base[i:], base[:i] + base[i+1:]} {
					got, ok := ParseDate(s)
					want, wantOK := referenceDate(s)
					if ok != wantOK || ok && !got.Equal(want) {
						t.Fatalf("%s: got %v, %v; want %v, %v", strconv.Quote(s), got, ok, want, wantOK)
					}
				}
			}
		}
	}
}

func BenchmarkParseDate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ParseDate("Sun, 06 Nov 1994 08:49:37 GMT")
	}
}

func BenchmarkAppendDate(b *testing.B) {
	buffer := make([]byte, 0, 32)
	b.ReportAllocs()
	for b.Loop() {
		AppendDate(buffer, 784111777)
	}
}
