package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	larder "github.com/larderhq/larder/middleware"
)

// TestRefreshAhead: an entry in demand is refreshed before it ends, so that no request waits for a slow handler; a cheap
// handler is left alone until then.
func TestRefreshAhead(t *testing.T) {
	tests := []struct {
		name  string
		cost  time.Duration
		early bool
	}{
		{"slow", 2 * time.Second, true},
		{"cheap", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := larder.New(larder.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = c.Close() }()
				runs, began := 0, time.Now()
				h := c.For(time.Minute, larder.RefreshAhead())(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					runs++
					time.Sleep(tt.cost)
					fmt.Fprint(w, runs)
				}))
				misses := 0
				// The first lifetime, up to 1.5 s before its end: by then 19 of the draws are expected to refresh.
				for time.Since(began) < 58*time.Second+500*time.Millisecond+tt.cost {
					w := httptest.NewRecorder()
					h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
					if w.Header().Get("X-Cache") == "Miss" {
						misses++
					}
					time.Sleep(50 * time.Millisecond)
				}
				synctest.Wait()
				if misses != 1 {
					t.Errorf("%d misses, want the first only", misses)
				}
				if early := runs > 1; early != tt.early {
					t.Errorf("%d runs before the lifetime ended; refreshed early: %v, want %v", runs, early, tt.early)
				}
			})
		})
	}
}
