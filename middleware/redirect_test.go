package middleware

import (
	"net/http"
	"testing"
	"time"
)

// TestRedirectsToThemselves: a redirect to what has the same key is never stored, or its own target would be answered with it for ever.
func TestRedirectsToThemselves(t *testing.T) {
	for name, c := range map[string]struct {
		rules    []Rule
		ask      string
		location string
		stored   bool
	}{
		"to https behind a proxy":  {nil, "http://shop.example/a?b=1", "https://shop.example/a?b=1", false},
		"to the port of https":     {nil, "http://shop.example/a", "https://shop.example:443/a", false},
		"from the port of https":   {nil, "http://shop.example:443/a", "https://shop.example/a", false}, // as a proxy that ends TLS may pass it on
		"to another port":          {nil, "http://shop.example/a", "http://shop.example:8080/a", true},
		"to a sorted query":        {nil, "http://shop.example/a?b=1&a=2", "/a?a=2&b=1", false},
		"to an unescaped query":    {nil, "http://shop.example/a?b=%61", "?b=a", false},
		"to no empty query":        {nil, "http://shop.example/a?", "/a", false},
		"without ignored query":    {[]Rule{NoQuery()}, "http://shop.example/a?utm=1", "/a", false},
		"to another name, AnyHost": {[]Rule{AnyHost()}, "http://www.shop.example/a", "http://shop.example/a", false},
		"to another name":          {nil, "http://www.shop.example/a", "http://shop.example/a", true},
		"to itself":                {nil, "http://shop.example/a", "/a", true},
		"to another path":          {nil, "http://shop.example/a", "/a/", true},
		"to another query":         {nil, "http://shop.example/a", "/a?b=1", true},
		"to nowhere":               {nil, "http://shop.example/a", "", true},
		"to what is no reference":  {nil, "http://shop.example/a", "http://[", true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newTestCache(t, Options{}).For(time.Minute, c.rules...)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", c.location)
				w.WriteHeader(http.StatusMovedPermanently)
			}))
			w := get(t, h, c.ask)
			if !c.stored {
				expect(t, w, http.StatusMovedPermanently, "", "Cache-Status", "detail=self-redirect")
			}
			if hit := get(t, h, c.ask).Header().Get("X-Cache") == "Hit"; hit != c.stored {
				t.Errorf("stored: %v, want %v", hit, c.stored)
			}
		})
	}
}
