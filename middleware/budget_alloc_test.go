//go:build !race

package middleware_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/larderhq/larder/internal/bench/bare"
	larder "github.com/larderhq/larder/middleware"
)

// The race detector makes sync.Pool drop what it is given at random, so these tests are built without it; make test runs them
// by themselves.

// TestAllocationsOfHits compares with the same fields written by hand: behind chi, what chi allocates is not ours.
func TestAllocationsOfHits(t *testing.T) {
	for _, row := range hitRows(t) {
		t.Run(row.name, func(t *testing.T) {
			ours, plain := allocations(row.larder, row.requests), allocations(row.plain, row.requests)
			if ours > plain {
				t.Errorf("%v allocations a hit, %v without the cache", ours, plain)
			}
		})
	}
}

func TestAllocationsOfRedisHits(t *testing.T) {
	const budget = 6 // as many as a bare GET of go-redis takes; four of ours are its own
	h, _ := redisRoute(t, 1<<10)
	if got := allocations(h, []*http.Request{get("/items/1")}); got > budget {
		t.Errorf("%v allocations a hit, at most %v wanted", got, budget)
	}
}

func TestAllocationsOfMisses(t *testing.T) {
	const budget = 14 // of which the handler takes one, the request's copy one, and the copy of its header two
	text := strings.Repeat("x", 1<<10)
	for name, handler := range map[string]http.HandlerFunc{
		"bytes": page(len(text)),
		"text": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = io.WriteString(w, text) // nobody reads it
		},
	} {
		h := newBenchCache(t, larder.Options{}).For(larder.OneHour)(handler)
		keys, r, w := newDistinct(), get("/"), bare.NewSink()
		if got := testing.AllocsPerRun(1000, func() { w.Do(h, keys.next(r)) }); got > budget {
			t.Errorf("%s: %v allocations a stored response, at most %v wanted", name, got, budget)
		}
	}
}

// allocations is how many each of the requests costs on average, rounded down: what the second hand costs a response once does
// not count, and neither does the cache's own background.
func allocations(h http.Handler, requests []*http.Request) float64 {
	w, i := bare.NewSink(), 0
	return testing.AllocsPerRun(max(1000, 20*len(requests)), func() {
		w.Do(h, requests[i%len(requests)])
		i++
	})
}
