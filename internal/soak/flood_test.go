package soak

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	larder "github.com/larderhq/larder/middleware"
)

// TestFlood: a flood of URLs that nobody asks for twice neither fills the heap beyond the budget nor pushes out what is asked for
// often. It runs alone, since it measures the heap.
func TestFlood(t *testing.T) {
	const (
		budget = 64 << 20 // the default
		hot    = 100
		every  = 10 // requests of the flood for one of a hot page
		rounds = 5
	)
	flood := either(1_000_000, 100_000)
	body := make([]byte, 1000)
	cache := newCache(t, larder.Options{})
	h := cache.For(time.Hour)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })) // to a recorder
	ask := func(path string) (hit bool) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(path))
		if w.Code != http.StatusOK || w.Body.Len() != len(body) {
			t.Errorf("%s: %d, %d B", path, w.Code, w.Body.Len())
		}
		return w.Header().Get("X-Cache") == "Hit"
	}
	before := liveHeap()
	for n := range hot {
		ask("/hot/" + strconv.Itoa(n))
	}
	var asked, hits, most atomic.Int64
	for round := range rounds {
		var wg sync.WaitGroup
		for part := range 2 {
			wg.Go(func() {
				for n := part; n < flood/rounds; n += 2 {
					ask("/flood/" + strconv.Itoa(round*flood/rounds+n))
					if n/2%every == 0 {
						asked.Add(1)
						if ask("/hot/" + strconv.Itoa(n/2/every%hot)) {
							hits.Add(1)
						}
					}
				}
			})
		}
		wg.Wait()
		most.Store(max(most.Load(), liveHeap()-before))
	}
	s := cache.Stats()
	t.Logf("%d URLs flooded; hot pages hit %d of %d times; the heap held %.1f MiB at most, the budget being %d MiB; %d responses were not stored",
		flood, hits.Load(), asked.Load(), float64(most.Load())/(1<<20), budget>>20, s.Refusals)
	if hits.Load()*100 < asked.Load()*99 {
		t.Errorf("hot pages hit only %d of %d times", hits.Load(), asked.Load())
	}
	if n := most.Load(); n > budget*12/10 || n < budget/2 {
		t.Errorf("the heap held %d B", n)
	}
	runtime.KeepAlive(cache)
}

// busy is a byte store that takes its time for what it is to keep, until it is let go.
type busy struct{ done chan struct{} }

func (busy) Get(context.Context, string) ([]byte, error) { return nil, larder.ErrMiss }

func (b busy) Set(ctx context.Context, _ string, _ []byte, _ time.Duration) error {
	select {
	case <-time.After(50 * time.Millisecond):
	case <-b.done:
	}
	return ctx.Err()
}

func (busy) Delete(context.Context, ...string) error { return nil }

// TestFloodBeforeBusyStore: what a store is too slow to take counts for the heap as well. It runs alone, as TestFlood does.
func TestFloodBeforeBusyStore(t *testing.T) {
	const budget = 16 << 20
	body := make([]byte, 64<<10)
	b := busy{make(chan struct{})}
	cache := newCache(t, larder.Options{Store: b, MemoryBytes: budget, StoreTimeout: time.Minute})
	h := cache.For(time.Hour)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })) // to a recorder
	before := liveHeap()
	for n := range 2000 {
		h.ServeHTTP(httptest.NewRecorder(), request("/"+strconv.Itoa(n)))
	}
	held := liveHeap() - before
	close(b.done)
	s := cache.Stats()
	t.Logf("%d writes dropped; the heap held %.1f MiB, the budget being %d MiB", s.Dropped, float64(held)/(1<<20), budget>>20)
	if held > budget*12/10 || held < budget/2 || s.Dropped == 0 {
		t.Errorf("the heap held %d B, %d writes dropped", held, s.Dropped)
	}
	runtime.KeepAlive(cache)
}

func request(path string) *http.Request {
	u := &url.URL{Path: path}
	return (&http.Request{Method: http.MethodGet, Host: "shop.example", URL: u, Header: http.Header{}}).WithContext(context.Background())
}
