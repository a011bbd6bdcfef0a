package policy

import (
	"testing"
	"time"
)

func TestLifetime(t *testing.T) {
	const s, hour = time.Second, time.Hour
	forRoute := Rules{TTL: hour}
	everything := Rules{
		TTL: hour, Override: 5 * s, Negative: map[int]time.Duration{200: 6 * s, 404: 7 * s}, Heuristic: true,
	}
	tests := map[string]struct {
		status int // 0 is 200
		fields []string
		rules  Rules
		want   time.Duration
		source Source
		none   bool
	}{
		"Override before the response's own":   {fields: []string{"Cache-Control: max-age=1"}, rules: everything, want: 5 * s, source: Route},
		"Override for a 404":                   {status: 404, rules: everything, want: 5 * s, source: Route},
		"Override not for a 500":               {status: 500, rules: everything, none: true},
		"Override not longer than can be":      {rules: Rules{Override: 100 * 365 * 24 * hour}, want: maxDuration, source: Route},
		"§4.2.1 targeted before s-maxage":      {fields: []string{"CDN-Cache-Control: max-age=2", "Cache-Control: s-maxage=1"}, want: 2 * s},
		"§4.2.1 s-maxage before max-age":       {fields: []string{"Cache-Control: max-age=1, s-maxage=2"}, want: 2 * s},
		"§4.2.1 s-maxage, shorter":             {fields: []string{"Cache-Control: max-age=9, s-maxage=2"}, want: 2 * s},
		"§4.2.1 max-age before Expires":        {fields: []string{"Cache-Control: max-age=1", "Expires: " + at(hour), "Date: " + at(0)}, want: s},
		"§5.3 Expires of 0 beside max-age":     {fields: []string{"Cache-Control: max-age=1", "Expires: 0"}, want: s},
		"§4.2.1 Expires minus Date":            {fields: []string{"Expires: " + at(hour), "Date: " + at(0)}, rules: forRoute, want: hour},
		"§4.2.1 Expires minus a slow Date":     {fields: []string{"Expires: " + at(-hour), "Date: " + at(-2*hour)}, want: hour},
		"§4.2.1 Expires minus a fast Date":     {fields: []string{"Expires: " + at(hour), "Date: " + at(hour-10*s)}, want: 10 * s},
		"§4.2.1 Expires without Date":          {fields: []string{"Expires: " + at(10*s)}, want: 9500 * time.Millisecond},
		"§4.2.1 Expires with an invalid Date":  {fields: []string{"Expires: " + at(10*s), "Date: x"}, want: 9500 * time.Millisecond},
		"§4.2.1 Expires with two Dates":        {fields: []string{"Expires: " + at(10*s), "Date: " + at(-hour), "Date: " + at(0)}, want: 9500 * time.Millisecond},
		"§4.2.1 Expires of now":                {fields: []string{"Expires: " + at(0), "Date: " + at(0)}, rules: forRoute},
		"§4.2.1 Expires of the past":           {fields: []string{"Expires: " + at(-hour), "Date: " + at(0)}, rules: forRoute},
		"§5.3 Expires of 0":                    {fields: []string{"Expires: 0"}, rules: forRoute},
		"§5.3 Expires empty":                   {fields: []string{"Expires:"}, rules: forRoute},
		"§5.3 Expires invalid":                 {fields: []string{"Expires: Mon, 5 Jan 2099 12:00:00 GMT"}, rules: forRoute},
		"§4.2.1 Expires twice":                 {fields: []string{"Expires: " + at(hour), "Expires: " + at(hour)}, rules: forRoute},
		"§4.2.1 Expires twice on one line":     {fields: []string{"Expires: " + at(hour) + ", " + at(hour)}, rules: forRoute},
		"§5.3 Expires with white space":        {fields: []string{"Expires:  " + at(hour) + " ", "Date: " + at(0)}, want: hour},
		"§5.3 Expires far ahead":               {fields: []string{"Expires: Sun, 21 Nov 9999 04:46:02 GMT", "Date: " + at(0)}, want: maxDuration},
		"§5.3 Expires of two digits":           {fields: []string{"Expires: Monday, 05-Jan-26 13:00:00 GMT", "Date: " + at(0)}, want: hour},
		"§4.2.1 invalid max-age is stale":      {fields: []string{"Cache-Control: max-age=x", "Expires: " + at(hour)}, rules: forRoute},
		"§4.2.1 invalid s-maxage is stale":     {fields: []string{"Cache-Control: s-maxage, max-age=9"}, rules: forRoute},
		"RFC 9213 §2.2 targeted, no lifetime":  {fields: []string{"CDN-Cache-Control: none", "Cache-Control: max-age=9", "Expires: " + at(hour)}, none: true},
		"RFC 9213 §2.2 targeted, then For":     {fields: []string{"CDN-Cache-Control: none", "Cache-Control: max-age=9"}, rules: forRoute, want: hour, source: Route},
		"RFC 9213 §2.2 targeted and Expires":   {fields: []string{"CDN-Cache-Control: max-age=60", "Expires: 0"}, want: 60 * s},
		"Negative before For":                  {rules: Rules{TTL: hour, Negative: map[int]time.Duration{200: 6 * s}}, want: 6 * s, source: Route},
		"Negative for its status":              {status: 404, rules: Rules{Negative: map[int]time.Duration{404: 7 * s}}, want: 7 * s, source: Route},
		"Negative not for another":             {status: 410, rules: Rules{Negative: map[int]time.Duration{404: 7 * s}}, none: true},
		"Negative behind the response's own":   {status: 404, fields: []string{"Cache-Control: max-age=1"}, rules: Rules{Negative: map[int]time.Duration{404: 7 * s}}, want: s},
		"For on 203":                           {status: 203, rules: forRoute, want: hour, source: Route},
		"For on 204":                           {status: 204, rules: forRoute, want: hour, source: Route},
		"For on 301":                           {status: 301, rules: forRoute, want: hour, source: Route},
		"For on 308":                           {status: 308, rules: forRoute, want: hour, source: Route},
		"For not on 302":                       {status: 302, rules: forRoute, none: true},
		"For not on 404":                       {status: 404, rules: forRoute, none: true},
		"For not on 500":                       {status: 500, rules: forRoute, none: true},
		"For before heuristics":                {fields: []string{"Last-Modified: " + at(-hour), "Date: " + at(0)}, rules: Rules{TTL: 3 * s, Heuristic: true}, want: 3 * s, source: Route},
		"§4.2.2 a tenth":                       {fields: []string{"Last-Modified: " + at(-hour), "Date: " + at(0)}, rules: Rules{Heuristic: true}, want: 6 * time.Minute, source: Heuristic},
		"§4.2.2 not asked for":                 {fields: []string{"Last-Modified: " + at(-hour), "Date: " + at(0)}, none: true},
		"§4.2.2 without Date":                  {fields: []string{"Last-Modified: " + at(-hour)}, rules: Rules{Heuristic: true}, want: 360050 * time.Millisecond, source: Heuristic},
		"§4.2.2 a day at most":                 {fields: []string{"Last-Modified: " + at(-10000*hour), "Date: " + at(0)}, rules: Rules{Heuristic: true}, want: 24 * hour, source: Heuristic},
		"§4.2.2 Last-Modified ahead":           {fields: []string{"Last-Modified: " + at(hour), "Date: " + at(0)}, rules: Rules{Heuristic: true}, source: Heuristic},
		"§4.2.2 Last-Modified invalid":         {fields: []string{"Last-Modified: x"}, rules: Rules{Heuristic: true}, source: Heuristic, none: true},
		"§4.2.2 not beside an explicit one":    {fields: []string{"Last-Modified: " + at(-hour), "Cache-Control: max-age=x"}, rules: Rules{Heuristic: true}},
		"§4.2.2 not beside an invalid Expires": {fields: []string{"Last-Modified: " + at(-hour), "Expires: 0"}, rules: Rules{Heuristic: true}},
		"§4.2.2 404":                           {status: 404, fields: []string{"Last-Modified: " + at(-hour), "Date: " + at(0)}, rules: Rules{Heuristic: true}, want: 6 * time.Minute, source: Heuristic},
		"§4.2.2 not 201":                       {status: 201, fields: []string{"Last-Modified: " + at(-hour), "Date: " + at(0)}, rules: Rules{Heuristic: true}, none: true},
		"§5.2.2.9 201 that is public":          {status: 201, fields: []string{"Cache-Control: public", "Last-Modified: " + at(-hour), "Date: " + at(0)}, rules: Rules{Heuristic: true}, want: 6 * time.Minute, source: Heuristic},
		"nothing at all":                       {none: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.status == 0 {
				test.status = 200
			}
			res := Response{Status: test.status, Header: header(test.fields...), RequestTime: noon, ResponseTime: noon}
			d, targeted := directivesOf(res.Header, nil)
			got, source, named := lifetime(&res, &test.rules, &d, targeted)
			if got != test.want || named == test.none || named && source != test.source {
				t.Errorf("got %v from %v, named %v; want %v from %v, named %v", got, source, named, test.want, test.source, !test.none)
			}
		})
	}
}
