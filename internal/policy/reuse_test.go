package policy

import (
	"math"
	"testing"
	"time"
)

func TestAge(t *testing.T) {
	tests := map[string]struct {
		initial, resident, want time.Duration
	}{
		"initial age alone":              {10 * time.Second, 0, 10 * time.Second},
		"initial age and residence":      {1500 * time.Millisecond, 700 * time.Millisecond, 2200 * time.Millisecond},
		"a clock that went back":         {10 * time.Second, -time.Hour, 10 * time.Second},
		"§1.2.2 initial age saturates":   {maxDuration, time.Hour, maxDuration},
		"§1.2.2 residence saturates":     {0, math.MaxInt64, maxDuration},
		"§1.2.2 the sum saturates":       {maxDuration - time.Second, 2 * time.Second, maxDuration},
		"nanoseconds are not rounded up": {0, time.Nanosecond, time.Nanosecond},
	}
	for name, test := range tests {
		t.Run("§4.2.3 "+name, func(t *testing.T) {
			terms := Terms{InitialAge: test.initial, ResponseTime: 0}
			if got := terms.Age(time.Unix(0, int64(test.resident))); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	terms := Terms{ResponseTime: math.MinInt64, Lifetime: time.Hour}
	if got := terms.Remaining(noon); got >= 0 {
		t.Errorf("a response time out of range keeps a response fresh for %v", got)
	}
}

func TestReuse(t *testing.T) {
	const s = time.Second
	minute := Terms{Lifetime: time.Minute}
	window := Terms{Lifetime: time.Minute, WhileRevalidate: 30 * s}
	strict := Terms{Lifetime: time.Minute, MustRevalidate: true}
	tests := map[string]struct {
		terms   Terms
		age     time.Duration
		request string // Cache-Control; "-" for none that counts
		want    Verdict
	}{
		"§4.2 fresh":                                       {minute, 0, "-", Fresh},
		"§4.2 fresh to the last":                           {minute, 60*s - 1, "-", Fresh},
		"§4.2 as old as its lifetime":                      {minute, 60 * s, "-", Validate},
		"§4.2 no lifetime":                                 {Terms{}, 0, "-", Validate},
		"§5.2.2.4 no-cache":                                {Terms{Lifetime: time.Minute, AlwaysValidate: true}, 0, "max-stale", Validate},
		"RFC 5861 §3 as old as its lifetime":               {window, 60 * s, "-", StaleWhileRevalidate},
		"RFC 5861 §3 in the window":                        {window, 90 * s, "-", StaleWhileRevalidate},
		"RFC 5861 §3 behind the window":                    {window, 90*s + 1, "-", Validate},
		"RFC 5861 §3 in the window, forbidden":             {Terms{Lifetime: time.Minute, WhileRevalidate: s, MustRevalidate: true}, 60 * s, "-", Validate},
		"§5.2.1 nothing said":                              {minute, 30 * s, "", Fresh},
		"§5.2.1.1 max-age, younger":                        {minute, 30 * s, "max-age=31", Fresh},
		"§5.2.1.1 max-age, as old":                         {minute, 30 * s, "max-age=30", Fresh},
		"§5.2.1.1 max-age, older":                          {minute, 30*s + 1, "max-age=30", Validate},
		"§5.2.1.1 max-age=0, just stored":                  {minute, 0, "max-age=0", Validate},
		"§5.2.1.1 max-age does not lengthen":               {minute, 61 * s, "max-age=3600", Validate},
		"§5.2.1.1 max-age wants nothing stale":             {window, 61 * s, "max-age=3600", Validate},
		"§5.2.1.1 max-age with max-stale":                  {window, 61 * s, "max-age=3600, max-stale=1", StaleWhileRevalidate},
		"§5.2.1.1 max-age with max-stale, older than that": {window, 62 * s, "max-age=3600, max-stale=1", Validate},
		"§5.2.1.1 older than max-age with max-stale":       {minute, 61 * s, "max-age=60, max-stale", Validate},
		"§5.2.1.2 max-stale":                               {minute, 70 * s, "max-stale=10", StaleAllowed},
		"§5.2.1.2 max-stale, staler":                       {minute, 70*s + 1, "max-stale=10", Validate},
		"§5.2.1.2 max-stale of any age":                    {minute, 9999 * time.Hour, "max-stale", StaleAllowed},
		"§5.2.1.2 max-stale=0, as old as its lifetime":     {minute, 60 * s, "max-stale=0", StaleAllowed},
		"§5.2.1.2 max-stale, fresh":                        {minute, 30 * s, "max-stale=10", Fresh},
		"§5.2.1.2 max-stale, forbidden":                    {strict, 61 * s, "max-stale", Validate},
		"§5.2.1.2 max-stale in the window":                 {window, 61 * s, "max-stale", StaleWhileRevalidate},
		"§5.2.1.3 min-fresh":                               {minute, 40 * s, "min-fresh=20", Fresh},
		"§5.2.1.3 min-fresh, not so long":                  {minute, 40*s + 1, "min-fresh=20", Validate},
		"§5.2.1.3 min-fresh in the window":                 {window, 61 * s, "min-fresh=1", Validate},
		"§5.2.1.3 min-fresh=0":                             {minute, 30 * s, "min-fresh=0", Fresh},
		"§5.2.1.3 min-fresh and max-stale":                 {minute, 61 * s, "min-fresh=1, max-stale", Validate},
		"§5.2.1.4 no-cache, fresh":                         {minute, 0, "no-cache", Validate},
		"§5.2.1.4 no-cache and max-stale":                  {minute, 0, "no-cache, max-stale", Validate},
		"§5.2.1.5 no-store of the request":                 {minute, 0, "no-store", Fresh},
		"§5.2.1.7 only-if-cached, fresh":                   {minute, 0, "only-if-cached", Fresh},
		"§5.2.1.7 only-if-cached, stale":                   {minute, 60 * s, "only-if-cached", Validate},
		"§4.2.3 the initial age counts":                    {Terms{Lifetime: time.Minute, InitialAge: 31 * s}, 30 * s, "-", Validate},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.terms.ResponseTime = noon.UnixNano()
			var d *RequestDirectives
			if test.request != "-" {
				parsed := ParseRequest([]string{test.request}, nil)
				d = &parsed
			}
			if got := test.terms.Reuse(noon.Add(test.age), d); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestServableOnError(t *testing.T) {
	const s = time.Second
	// The example of RFC 5861 §4.1.
	terms := Terms{Lifetime: 600 * s, IfError: 1200 * s}
	none := Terms{Lifetime: 600 * s}
	tests := map[string]struct {
		terms   Terms
		age     time.Duration
		request string // Cache-Control; "-" for none that counts
		want    bool
	}{
		"RFC 5861 §4.1 after 900 seconds":           {terms, 900 * s, "-", true},
		"RFC 5861 §4.1 after 1800 seconds":          {terms, 1800 * s, "-", true},
		"RFC 5861 §4.1 later":                       {terms, 1800*s + 1, "-", false},
		"RFC 5861 §4 fresh":                         {terms, 0, "-", true},
		"RFC 5861 §4 nothing allowed":               {none, 601 * s, "-", false},
		"RFC 5861 §4 the request's own":             {none, 605 * s, "stale-if-error=5", true},
		"RFC 5861 §4 the request's own, staler":     {none, 606 * s, "stale-if-error=5", false},
		"RFC 5861 §4 the request's is shorter":      {terms, 900 * s, "stale-if-error=5", true},
		"RFC 5861 §4 whatever max-age and the like": {terms, 900 * s, "max-age=0, min-fresh=9", true},
		"§4.2.4 forbidden":                          {Terms{Lifetime: s, IfError: 9 * s, MustRevalidate: true}, 2 * s, "stale-if-error=9", false},
		"§5.2.2.4 no-cache":                         {Terms{Lifetime: s, IfError: 9 * s, AlwaysValidate: true}, 2 * s, "-", false},
		"§5.2.1.4 no-cache of the request":          {terms, 900 * s, "no-cache", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.terms.ResponseTime = noon.UnixNano()
			var d *RequestDirectives
			if test.request != "-" {
				parsed := ParseRequest([]string{test.request}, nil)
				d = &parsed
			}
			if got := test.terms.ServableOnError(noon.Add(test.age), d); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestRetention(t *testing.T) {
	const s = time.Second
	tests := map[string]struct {
		terms     Terms
		validator bool
		want      time.Duration
	}{
		"the route's lifetime":                {Terms{Lifetime: 60 * s, Source: Route}, false, 60 * s},
		"the longest window":                  {Terms{Lifetime: 60 * s, Source: Route, WhileRevalidate: 5 * s, IfError: 9 * s}, false, 69 * s},
		"an hour more to validate":            {Terms{Lifetime: 60 * s, Source: Route, IfError: 9 * s}, true, 69*s + time.Hour},
		"an hour more for max-stale":          {Terms{Lifetime: 60 * s}, false, 60*s + time.Hour},
		"stale forbidden":                     {Terms{Lifetime: 60 * s, MustRevalidate: true}, false, 60 * s},
		"stale forbidden, to validate":        {Terms{Lifetime: 60 * s, MustRevalidate: true}, true, 60*s + time.Hour},
		"what is left of the lifetime":        {Terms{Lifetime: 60 * s, InitialAge: 50 * s, MustRevalidate: true}, false, 10 * s},
		"nothing is left":                     {Terms{Lifetime: 60 * s, InitialAge: 70 * s, MustRevalidate: true}, true, time.Hour},
		"no lifetime":                         {Terms{}, true, time.Hour},
		"no lifetime and nothing to validate": {Terms{}, false, 0},
		"the longest of all":                  {Terms{Lifetime: maxDuration, IfError: maxDuration}, true, 2*maxDuration + time.Hour},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.terms.Retention(test.validator); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestRetentionCoversReuse holds that a store does not drop what a request could still make use of.
func TestRetentionCoversReuse(t *testing.T) {
	d := ParseRequest([]string{"max-stale=3600"}, nil)
	for _, fields := range []string{
		"max-age=60", "max-age=60, stale-if-error=9", "max-age=60, stale-while-revalidate=99", "max-age=60, must-revalidate", "s-maxage=3",
	} {
		terms, _ := store(200, modes["FromHeaders"], Request{}, "Cache-Control: "+fields)
		gone := noon.Add(terms.Retention(false) + 1)
		if terms.Reuse(gone, nil) != Validate || terms.Reuse(gone, &d) != Validate || terms.ServableOnError(gone, nil) {
			t.Errorf("%s: still of use after %v", fields, terms.Retention(false))
		}
	}
}

func TestReuseDoesNotAllocate(t *testing.T) {
	terms := Terms{Lifetime: time.Minute, ResponseTime: noon.UnixNano(), WhileRevalidate: time.Minute}
	d := ParseRequest([]string{"max-stale=5"}, nil)
	now := noon.Add(61 * time.Second)
	n := testing.AllocsPerRun(100, func() {
		terms.Age(now)
		terms.Reuse(now, &d)
		terms.ServableOnError(now, &d)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkReuse(b *testing.B) {
	terms := Terms{Lifetime: time.Minute, ResponseTime: noon.UnixNano()}
	d := ParseRequest([]string{"max-age=50"}, nil)
	b.ReportAllocs()
	for b.Loop() {
		terms.Reuse(noon, &d)
	}
}
