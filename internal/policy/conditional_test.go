package policy

import "testing"

const (
	monday       = "Mon, 05 Jan 2026 00:00:00 GMT"
	mondayRFC850 = "Monday, 05-Jan-26 00:00:00 GMT"
	mondayLater  = "Mon, 05 Jan 2026 00:00:01 GMT"
)

func TestModifiedSince(t *testing.T) {
	tests := map[string]struct {
		since              []string
		lastModified, date string
		want               bool
	}{
		"RFC 9110 §13.1.3 the same":            {[]string{monday}, monday, "", false},
		"RFC 9110 §13.1.3 the same, RFC 850":   {[]string{mondayRFC850}, monday, "", false},
		"RFC 9110 §13.1.3 modified before":     {[]string{mondayLater}, monday, "", false},
		"RFC 9110 §13.1.3 modified later":      {[]string{monday}, mondayLater, "", true},
		"RFC 9110 §13.1.3 an invalid field":    {[]string{"Mon, 5 Jan 2026 00:00:00 GMT"}, monday, "", true},
		"RFC 9110 §13.1.3 spaces":              {[]string{"  " + monday}, monday, "", false},
		"RFC 9110 §13.1.3 twice":               {[]string{monday, monday}, monday, "", true},
		"RFC 9110 §13.1.3 no field":            {nil, monday, "", true},
		"RFC 9110 §13.1.3 no date to compare":  {[]string{monday}, "", "", true},
		"RFC 9110 §13.1.3 an invalid one":      {[]string{monday}, "x", monday, true},
		"§4.3.2 Date for Last-Modified":        {[]string{monday}, "", monday, false},
		"§4.3.2 Date for Last-Modified, later": {[]string{monday}, "", mondayLater, true},
		"§4.3.2 Last-Modified before Date":     {[]string{monday}, monday, mondayLater, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := ModifiedSince(test.since, test.lastModified, test.date); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestIfRange(t *testing.T) {
	tests := map[string]struct {
		field, etag, lastModified, date string
		want                            bool
	}{
		"§13.1.5 the same tag":             {`"a"`, `"a"`, "", "", true},
		"§13.1.5 the same tag, spaces":     {` "a" `, `"a"`, "", "", true},
		"§13.1.5 the empty tag":            {`""`, `""`, "", "", true},
		"§13.1.5 a space in the tag":       {`" a"`, `" a"`, "", "", false},
		"§13.1.5 a quote in the tag":       {`"a""`, `"a""`, "", "", false},
		"§13.1.5 another tag":              {`"a"`, `"b"`, "", "", false},
		"§13.1.5 both weak":                {`W/"a"`, `W/"a"`, "", "", false},
		"§13.1.5 a weak tag stored":        {`"a"`, `W/"a"`, "", "", false},
		"§13.1.5 no tag stored":            {`"a"`, "", monday, mondayLater, false},
		"§13.1.5 a list":                   {`"a", "b"`, `"a", "b"`, "", "", false},
		"§13.1.5 a tag without end":        {`"`, `"`, "", "", false},
		"§13.1.5 a tag that is cut":        {`"a`, `"a`, "", "", false},
		"§13.1.5 a tag without quotes":     {`a`, `a`, "", "", false},
		"§13.1.5 the date":                 {monday, "", monday, mondayLater, true},
		"§13.1.5 the date beside a tag":    {monday, `"a"`, monday, mondayLater, true},
		"§13.1.5 a later date":             {mondayLater, "", monday, mondayLater, false},
		"§13.1.5 an earlier date":          {monday, "", mondayLater, mondayLater, false},
		"§13.1.5 no date stored":           {monday, "", "", mondayLater, false},
		"§13.1.5 an invalid date":          {"x", "", "x", mondayLater, false},
		"§13.1.5 empty":                    {"", "", "", mondayLater, false},
		"§8.8.2.2 sent in the same second": {monday, "", monday, monday, false},
		"§8.8.2.2 sent at no known time":   {monday, "", monday, "", false},
		"§8.8.2.2 sent before":             {mondayLater, "", mondayLater, monday, false},
	}
	for name, test := range tests {
		t.Run("RFC 9110 "+name, func(t *testing.T) {
			if got := IfRange(test.field, test.etag, test.lastModified, test.date); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
