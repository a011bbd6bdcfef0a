package policy

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// header makes a header of lines like "Name: value".
func header(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		h.Add(name, strings.TrimPrefix(value, " "))
	}
	return h
}

func TestUnstored(t *testing.T) {
	tests := map[string]struct {
		fields   []string
		targets  []string
		unstored []string
		stored   []string
	}{
		"§3.1 of the connection and of proxies": {
			unstored: []string{
				"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
				"Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization",
			},
			stored: []string{"Content-Type", "Unknown", "Set-Cookie", "Www-Authenticate", "Date"},
		},
		"§3.1 named by Connection": {
			fields:   []string{"Connection: close, x-A", "Connection:  foo-bar ,"},
			unstored: []string{"X-A", "Foo-Bar", "Connection", "Upgrade"}, stored: []string{"X-B", "Foo"},
		},
		"§5.2.2.4 and §5.2.2.7 named by no-cache and private": {
			fields:   []string{`Cache-Control: no-cache="a, b"`, `Cache-Control: max-age=3, private="c"`},
			unstored: []string{"A", "B", "C", "Connection"}, stored: []string{"D", "Cache-Control"},
		},
		"RFC 9213 §2.2 named by the targeted field alone": {
			fields:   []string{`Cache-Control: private="a"`, `CDN-Cache-Control: private="b"`},
			unstored: []string{"B"}, stored: []string{"A"},
		},
		"RFC 9213 §2.2 named by a field that is no target": {
			fields: []string{`Cache-Control: private="a"`, `CDN-Cache-Control: private="b"`}, targets: []string{"Own-Cache-Control"},
			unstored: []string{"A"}, stored: []string{"B"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			unstored := Unstored(header(test.fields...), test.targets...)
			for _, field := range test.unstored {
				if !unstored(field) {
					t.Errorf("%s would be stored", field)
				}
			}
			for _, field := range test.stored {
				if unstored(field) {
					t.Errorf("%s would not be stored", field)
				}
			}
		})
	}
}

func TestUnstoredDoesNotAllocate(t *testing.T) {
	h := header("Cache-Control: public, max-age=60", "Content-Type: text/plain")
	if n := testing.AllocsPerRun(100, func() { Unstored(h)("Date") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFreshen(t *testing.T) {
	stored := header("A: 1", "B: 1", "B: 2", "Date: old", "Age: 10", "Content-Length: 5", "Content-Type: text/plain",
		"Content-Encoding: gzip", "Cache-Control: max-age=1", "X-Secret: s")
	update := header("B: 3", "C: 1", "Content-Length: 0", "Content-Type: x/y", "Content-Encoding: br", "Content-Range: bytes */0",
		"Connection: hop", "Hop: 1", "Transfer-Encoding: chunked", `Cache-Control: max-age=2, private="x-secret, y"`, "Y: 1")
	got := Freshen(stored, update)
	want := header("A: 1", "B: 3", "C: 1", "Content-Length: 5", "Content-Type: text/plain", "Content-Encoding: gzip",
		`Cache-Control: max-age=2, private="x-secret, y"`)
	if len(got) != len(want) {
		t.Errorf("§3.2: got %v, want %v", got, want)
	}
	for name, values := range want {
		if !slices.Equal(got[name], values) {
			t.Errorf("§3.2: %s is %q, want %q", name, got[name], values)
		}
	}
	got["A"][0], got["C"][0] = "changed", "changed"
	if stored.Get("A") != "1" || update.Get("C") != "1" || stored.Get("Date") != "old" {
		t.Error("the arguments are changed")
	}
	got = Freshen(stored, header("Date: new", "Age: 3"))
	if got.Get("Date") != "new" || got.Get("Age") != "3" {
		t.Errorf("§4.3.4: Date %q, Age %q", got.Get("Date"), got.Get("Age"))
	}
	if got := Freshen(nil, header("A: 1")); got.Get("A") != "1" {
		t.Errorf("nothing stored: %v", got)
	}
}

func TestUpdatable(t *testing.T) {
	const monday, tuesday = "Mon, 05 Jan 2026 00:00:00 GMT", "Tue, 06 Jan 2026 00:00:00 GMT"
	tests := map[string]struct {
		stored, update []string
		want           bool
	}{
		"strong, the same":               {[]string{`ETag: "a"`}, []string{`ETag: "a"`}, true},
		"strong, another":                {[]string{`ETag: "a"`}, []string{`ETag: "b"`}, false},
		"strong against weak":            {[]string{`ETag: W/"a"`}, []string{`ETag: "a"`}, false},
		"weak against strong":            {[]string{`ETag: "a"`}, []string{`ETag: W/"a"`}, true},
		"weak, the same":                 {[]string{`ETag: W/"a"`}, []string{`ETag: W/"a"`}, true},
		"weak, another":                  {[]string{`ETag: W/"a"`}, []string{`ETag: W/"b"`}, false},
		"tag decides before date":        {[]string{`ETag: "a"`, "Last-Modified: " + monday}, []string{`ETag: "b"`, "Last-Modified: " + monday}, false},
		"tag decides against date":       {[]string{`ETag: "a"`, "Last-Modified: " + monday}, []string{`ETag: "a"`, "Last-Modified: " + tuesday}, true},
		"tag that is not stored":         {[]string{"A: b"}, []string{`ETag: "a"`}, false},
		"tag that is not stored, dated":  {[]string{"Last-Modified: " + monday}, []string{`ETag: "a"`, "Last-Modified: " + monday}, true},
		"two tags":                       {[]string{`ETag: "a"`}, []string{`ETag: "a"`, `ETag: "b"`}, false},
		"date, the same":                 {[]string{"Last-Modified: " + monday}, []string{"Last-Modified: Monday, 05-Jan-26 00:00:00 GMT"}, true},
		"date, another":                  {[]string{"Last-Modified: " + monday}, []string{"Last-Modified: " + tuesday}, false},
		"date, another, beside a tag":    {[]string{`ETag: "a"`, "Last-Modified: " + monday}, []string{"Last-Modified: " + tuesday}, false},
		"date that is not stored":        {[]string{`ETag: "a"`}, []string{"Last-Modified: " + monday}, false},
		"invalid dates":                  {[]string{"Last-Modified: 0"}, []string{"Last-Modified: 0"}, false},
		"no validator on either side":    {nil, nil, true},
		"no validator in the 304":        {[]string{`ETag: "a"`}, []string{"Date: " + monday}, true},
		"no validator in what is stored": {nil, []string{"Last-Modified: " + monday}, false},
	}
	for name, test := range tests {
		t.Run("§4.3.4 "+name, func(t *testing.T) {
			if got := Updatable(header(test.stored...), header(test.update...)); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestUpdatableByHead(t *testing.T) {
	stored := header(`ETag: "a"`, "Last-Modified: Mon, 05 Jan 2026 00:00:00 GMT")
	tests := map[string]struct {
		head []string
		want bool
	}{
		"nothing received":         {nil, true},
		"all the same":             {[]string{`ETag: "a"`, "Last-Modified: Mon, 05 Jan 2026 00:00:00 GMT", "Content-Length: 7"}, true},
		"another tag":              {[]string{`ETag: "b"`}, false},
		"another date":             {[]string{"Last-Modified: Tue, 06 Jan 2026 00:00:00 GMT"}, false},
		"another length":           {[]string{`ETag: "a"`, "Content-Length: 8"}, false},
		"a length that is no such": {[]string{"Content-Length: 7", "Content-Length: 7"}, false},
	}
	for name, test := range tests {
		t.Run("§4.3.5 "+name, func(t *testing.T) {
			if got := UpdatableByHead(stored, header(test.head...), 7); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestSevered(t *testing.T) {
	request := []string{"Accept-Language: de", "Te: trailers", "Upgrade: h2c", "Keep-Alive: 5", "Close: 1"}
	for line, want := range map[string]bool{
		"": false, ",": false, "close": false, "Keep-Alive": false, "TE": false, "upgrade, te": false, "x-absent": false, "accept language": false,
		"Accept-Language": true, "accept-language": true, "close, ACCEPT-LANGUAGE ,": true,
	} {
		if got := Severed([]string{"keep-alive", line}, header(request...)); got != want {
			t.Errorf("%q: %t, want %t", line, got, want)
		}
	}
	options, h := []string{"keep-alive, Upgrade, close"}, header(request...)
	if n := testing.AllocsPerRun(100, func() { Severed(options, h) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
