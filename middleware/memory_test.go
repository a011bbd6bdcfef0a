package middleware

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"
)

// TestMemoryBudgetIsTheHeap: MemoryBytes bounds what the heap holds, whatever the size of the entries, also after they were hit.
func TestMemoryBudgetIsTheHeap(t *testing.T) {
	for _, size := range []int{10, 200, 4 << 10, 64 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			const budget = 4 << 20
			cache, err := New(Options{MemoryBytes: budget})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cache.Close() }()
			h := cache.For(time.Hour)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(make([]byte, size)) // a recorder takes everything
			}))
			before := liveHeap()
			for i := range 3 * budget / (size + 1000) {
				r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/%d", i), nil)
				h.ServeHTTP(httptest.NewRecorder(), r)
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
			held, counted := liveHeap()-before, cache.Stats().Bytes
			t.Logf("%d entries, %d B counted, %d B held", cache.Stats().Entries, counted, held)
			if held > budget*12/10 || counted > budget {
				t.Errorf("the heap holds %d B and counts %d B of a budget of %d B", held, counted, budget)
			}
			if held < budget/2 {
				t.Errorf("the heap holds only %d B of a budget of %d B", held, budget)
			}
			runtime.KeepAlive(cache)
		})
	}
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
