package policy

import (
	"testing"
	"time"
)

func TestParseTargeted(t *testing.T) {
	tests := map[string]struct {
		lines []string
		valid bool
		want  time.Duration // of max-age
	}{
		"§2.1 integer":                   {[]string{"max-age=60"}, true, time.Minute},
		"§2.1 two lines":                 {[]string{"foo", "max-age=60"}, true, time.Minute},
		"§2.1 parameters are ignored":    {[]string{"max-age=60;a=b;c"}, true, time.Minute},
		"§2.1 unknown members":           {[]string{"foo, bar=(a b), max-age=60, x=:aGk=:"}, true, time.Minute},
		"§2.1 not there":                 {[]string{"none"}, true, Unset},
		"§2.1 empty":                     {[]string{""}, false, 0},
		"§2.1 white space":               {[]string{"  "}, false, 0},
		"§2.1 parse error":               {[]string{"max-age=60, &&&"}, false, 0},
		"§2.1 trailing comma":            {[]string{"max-age=60,"}, false, 0},
		"§2.1 capitals do not parse":     {[]string{"Max-Age=60"}, false, 0},
		"§2.1 a space before equals":     {[]string{"max-age =60"}, false, 0},
		"§2.1 integer out of range":      {[]string{"max-age=1234567890123456"}, false, 0},
		"§2.1 decimal":                   {[]string{"max-age=60.0"}, true, 0},
		"§2.1 string":                    {[]string{`max-age="60"`}, true, 0},
		"§2.1 token":                     {[]string{"max-age=sixty"}, true, 0},
		"§2.1 no value":                  {[]string{"max-age"}, true, 0},
		"§2.1 false":                     {[]string{"max-age=?0"}, true, 0},
		"§2.1 list":                      {[]string{"max-age=(60)"}, true, 0},
		"§2.1 negative":                  {[]string{"max-age=-60"}, true, 0},
		"RFC 8941 §3.2 the last counts":  {[]string{"max-age=1, max-age=60"}, true, time.Minute},
		"RFC 9111 §1.2.2 too much":       {[]string{"max-age=999999999999999"}, true, maxDuration},
		"RFC 8941 §4.2 empty first line": {[]string{"", "max-age=60"}, false, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := ParseTargeted(test.lines)
			if ok != test.valid || got.MaxAge != test.want {
				t.Errorf("got %v, %v; want %v, %v", got.MaxAge, ok, test.want, test.valid)
			}
		})
	}
}

func TestParseTargetedFlags(t *testing.T) {
	d, _ := ParseTargeted([]string{`no-store, no-cache="a", private="b, c", must-revalidate`})
	if !d.NoStore || !d.MustRevalidate || d.NoCache || d.Private || !d.withholds("A") || !d.withholds("C") {
		t.Errorf("§2.1: %+v", d)
	}
	d, _ = ParseTargeted([]string{"no-cache=a, private=(b), public=1, must-understand=?0, no-store=?0"})
	if !d.NoCache || !d.Private || d.Public || d.MustUnderstand || !d.NoStore {
		t.Errorf("§2.1, wrong types forbid and do not permit: %+v", d)
	}
}

func TestDirectivesOf(t *testing.T) {
	tests := map[string]struct {
		fields   []string
		targets  []string
		want     time.Duration
		targeted bool
	}{
		"§3 CDN-Cache-Control by default": {fields: []string{"CDN-Cache-Control: max-age=60", "Cache-Control: no-store"}, want: time.Minute, targeted: true},
		"§2.2 the first of the list": {
			fields:  []string{"CDN-Cache-Control: max-age=60", "Own-Cache-Control: max-age=3"},
			targets: []string{"own-cache-control", "CDN-Cache-Control"}, want: 3 * time.Second, targeted: true,
		},
		"§2.2 the first that is valid": {
			fields:  []string{"CDN-Cache-Control: max-age=60", "Own-Cache-Control: max-age=&"},
			targets: []string{"Own-Cache-Control", "CDN-Cache-Control"}, want: time.Minute, targeted: true,
		},
		"§2.2 none valid":         {fields: []string{"CDN-Cache-Control: &", "Cache-Control: max-age=9"}, want: 9 * time.Second},
		"§2.2 not on the list":    {fields: []string{"Own-Cache-Control: max-age=60", "Cache-Control: max-age=9"}, want: 9 * time.Second},
		"§2.2 an empty list":      {fields: []string{"CDN-Cache-Control: max-age=60"}, targets: []string{}, want: Unset},
		"§2.2 no lifetime in it":  {fields: []string{"CDN-Cache-Control: none", "Cache-Control: max-age=9"}, want: Unset, targeted: true},
		"§2.2 nothing at all":     {want: Unset},
		"§2.2 an empty one first": {fields: []string{"CDN-Cache-Control:", "Cache-Control: max-age=9"}, want: 9 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d, targeted := directivesOf(header(test.fields...), test.targets)
			if d.MaxAge != test.want || targeted != test.targeted {
				t.Errorf("max-age %v, targeted %v; want %v, %v", d.MaxAge, targeted, test.want, test.targeted)
			}
		})
	}
}

func FuzzTargeted(f *testing.F) {
	for _, seed := range []string{"max-age=60", "a=-", "a=(", "a=@1, b=%\"x\"", "a;", "no-cache=\"x\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		d, ok := ParseTargeted([]string{line})
		if ok && (d.MaxAge < Unset || d.MaxAge > maxDuration) {
			t.Errorf("%q: %v", line, d.MaxAge)
		}
	})
}
