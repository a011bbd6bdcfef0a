package middleware_test

import (
	"testing"
	"time"

	larder "github.com/larderhq/larder/middleware"
)

// TestStatsCountARequestOnce: every request is a hit, a miss or passed by, also one whose response says nothing of the cache.
func TestStatsCountARequestOnce(t *testing.T) {
	for _, tt := range []struct {
		line, field string
		want        larder.Stats
	}{
		{"GET /", "Accept: text/plain", larder.Stats{Hits: 1}},
		{"HEAD /", "Accept: text/plain", larder.Stats{Hits: 1}},
		{"GET /", "Cache-Control: no-cache", larder.Stats{Bypasses: 1}},
		{"GET /", "Cache-Control: no-store", larder.Stats{Bypasses: 1}},
		{"GET /", "Pragma: no-cache", larder.Stats{Bypasses: 1}},
		{"GET /", `If-Match: "a"`, larder.Stats{Bypasses: 1}},
		{"OPTIONS /", "Accept: text/plain", larder.Stats{Bypasses: 1}},
		{"GET /", "Accept: text/html", larder.Stats{Misses: 1}},
		{"HEAD /", "Accept: text/html", larder.Stats{Misses: 1}},
	} {
		t.Run(tt.line+" "+tt.field, func(t *testing.T) {
			var log journal
			cache := openCache(t, larder.Options{Logger: log.logger()})
			h := cache.For(time.Minute, larder.Headers("Accept"))(new(counted))
			ask(t, h, "/", "Accept: text/plain")
			before := cache.Stats()
			ask(t, h, tt.line, tt.field)
			now := cache.Stats()
			got := larder.Stats{Hits: now.Hits - before.Hits, Misses: now.Misses - before.Misses, Bypasses: now.Bypasses - before.Bypasses}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if n := log.count("passed by"); n != int(tt.want.Bypasses) {
				t.Errorf("logged as passed by %d times", n)
			}
		})
	}
}
