package middleware

import (
	"net/http"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
	"github.com/larderhq/larder/internal/store"
)

// TestClocksApart: what a replica stored whose clock is ahead does not stay fresh here until our clock is there as well. Clocks that
// are a moment apart cost nothing.
func TestClocksApart(t *testing.T) {
	const key = "larder:example.com/()"
	for name, test := range map[string]struct {
		ahead time.Duration
		runs  int64
	}{
		"an hour":     {time.Hour, 1},
		"an hour ago": {-time.Hour, 1},
		"a moment":    {time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := redistest.Start(t).Client()
			route := func(o *origin) http.Handler {
				c := newTestCache(t, Options{Redis: client, StoreTimeout: 10 * time.Second})
				return c.For(time.Minute)(o)
			}
			get(t, route(&origin{answer: says("page")}), "/")
			eventually(t, "stored", func() bool { return client.Exists(t.Context(), key).Val() == 1 })
			value, err := client.Get(t.Context(), key).Bytes()
			if err != nil {
				t.Fatal(err)
			}
			e, err := store.Decode(key, value)
			if err != nil {
				t.Fatal(err)
			}
			e.Terms.ResponseTime += int64(test.ahead)
			if err := client.Set(t.Context(), key, store.Encode(e), time.Hour).Err(); err != nil {
				t.Fatal(err)
			}
			o := &origin{answer: says("page")}
			expect(t, get(t, route(o), "/"), http.StatusOK, "page")
			o.ran(t, test.runs)
		})
	}
}
