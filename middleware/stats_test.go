package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	larder "github.com/larderhq/larder/middleware"
)

// TestStatsCountARequestOnce: every request is a hit, a miss or passed by, also one whose response says nothing of the cache.
func TestStatsCountARequestOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		method string
		fields []string
		want   larder.Stats
	}{
		"found":        {http.MethodGet, nil, larder.Stats{Hits: 1}},
		"HEAD":         {http.MethodHead, nil, larder.Stats{Hits: 1}},
		"no-cache":     {http.MethodGet, []string{"Cache-Control", "no-cache"}, larder.Stats{Bypasses: 1}},
		"no-store":     {http.MethodGet, []string{"Cache-Control", "no-store"}, larder.Stats{Bypasses: 1}},
		"pragma":       {http.MethodGet, []string{"Pragma", "no-cache"}, larder.Stats{Bypasses: 1}},
		"safe method":  {http.MethodOptions, nil, larder.Stats{Bypasses: 1}},
		"precondition": {http.MethodGet, []string{"If-Match", `"a"`}, larder.Stats{Bypasses: 1}},
		"not found":    {http.MethodGet, []string{"Accept", "text/html"}, larder.Stats{Misses: 1}},
		"HEAD of none": {http.MethodHead, []string{"Accept", "text/html"}, larder.Stats{Misses: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var log journal
			cache := openCache(t, larder.Options{Logger: log.logger()})
			h := cache.For(time.Minute, larder.Headers("Accept"))(new(counted))
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
			before := cache.Stats()
			r := httptest.NewRequest(tt.method, "/", nil)
			for i := 0; i+1 < len(tt.fields); i += 2 {
				r.Header.Set(tt.fields[i], tt.fields[i+1])
			}
			h.ServeHTTP(httptest.NewRecorder(), r)
			now := cache.Stats()
			got := larder.Stats{Hits: now.Hits - before.Hits, Misses: now.Misses - before.Misses, Bypasses: now.Bypasses - before.Bypasses}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if passed := int64(log.count("passed by")); passed != tt.want.Bypasses {
				t.Errorf("logged as passed by %d times", passed)
			}
		})
	}
}
