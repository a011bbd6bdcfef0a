package middleware

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
)

func TestParsePattern(t *testing.T) {
	for _, tt := range []struct {
		text      string
		literals  []string
		wildcards []string
		usable    bool
	}{
		{"", []string{""}, nil, false},
		{"/", []string{"/"}, nil, true},
		{"/a/b", []string{"/a/b"}, nil, true},
		{"GET /a/{id}", []string{"/a/", ""}, []string{"id"}, true},
		{"GET  shop.example/a/{id}/b", []string{"/a/", "/b"}, []string{"id"}, true},
		{"/{$}", []string{"/"}, nil, true},
		{"/a/{rest...}", []string{"/a/", ""}, []string{"rest"}, true},
		{"/a/*", []string{"/a/", ""}, []string{"*"}, true},
		{"/{y:[0-9]{4}}-{m:\\d+}", []string{"/", "-", ""}, []string{"y", "m"}, true},
		{"/{id}/{id}", []string{"/", "/", ""}, []string{"id", "id"}, false},
		{"/*/*", []string{"/", "/", ""}, []string{"*", "*"}, false},
	} {
		p := parsePattern(tt.text)
		if !slices.Equal(p.literals, tt.literals) || !slices.Equal(p.wildcards, tt.wildcards) || p.usable != tt.usable {
			t.Errorf("%s: got %q around %q, usable %t", tt.text, p.literals, p.wildcards, p.usable)
		}
	}
}

func TestPatternExpands(t *testing.T) {
	for _, tt := range []struct {
		pattern, path string
		values        []string // of the wildcards
		want          bool
	}{
		{"/a", "/a", nil, true},
		{"/a", "/a/", nil, false},
		{"/a/{id}", "/a/1", []string{"1"}, true},
		{"/a/{id}", "/a/1.json", []string{"1"}, false}, // chi's URLFormat
		{"/a/{id}", "/x/a/1", []string{"1"}, false},    // http.StripPrefix
		{"/a/{id}", "/a/x%20y", []string{"x y"}, true},
		{"/a/{id}", "/a/x+y", []string{"x y"}, false},
		{"/a/{id}", "/a/x%2Fy", []string{"x/y"}, false},
		{"/a/{id}", "/a/x/y", []string{"x/y"}, true},
		{"/a/{id}", "/a/x%2Fy", []string{"x%2Fy"}, false}, // chi's values are escaped where the path is
		{"/a/{id}", "/a/%78", []string{"x"}, false},
		{"/a/{id}", "/a/%c3%a9", []string{"é"}, false},
		{"/a/{id}", "/a/%C3%A9", []string{"é"}, true},
		{"/{a}-{b}", "/1-2-3", []string{"1", "2-3"}, true},
		{"/{a}-{b}", "/1-2-3", []string{"1-2", "3"}, true},
		{"/a/{id}", "/b/1", []string{"1"}, false},
		{"/{a}/{a}", "/1/1", []string{"1", "1"}, false},
		{"", "/", nil, false},
	} {
		p := parsePattern(tt.pattern)
		r := &http.Request{URL: new(url.URL)}
		for i, name := range p.wildcards {
			r.SetPathValue(name, tt.values[i])
		}
		if got := p.expands(r, tt.path); got != tt.want {
			t.Errorf("%s with %q, path %s: got %t", tt.pattern, tt.values, tt.path, got)
		}
	}
}

func TestExpandTemplate(t *testing.T) {
	rt := &route{c: newTestCache(t, Options{})}
	r := &http.Request{URL: new(url.URL)}
	r.SetPathValue("id", "a{b}")
	for template, want := range map[string]string{
		"items": "items", "item:{id}": "item:a{b}", "{id}{id}": "a{b}a{b}", "x{none}y": "xy",
	} {
		if got := rt.expand(template, r); got != want {
			t.Errorf("%s: got %s, want %s", template, got, want)
		}
	}
}
