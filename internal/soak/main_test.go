// Package soak holds caches against the worst days that they promise to bear: stampedes, expiry, outages of Redis and floods, over
// real connections and real servers, and all of that at random together. Counts are asserted; times are only logged.
package soak

import (
	"flag"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"
)

var (
	full  = flag.Bool("full", false, "the sizes and times of the figures in docs/resilience.md instead of those of a quick run")
	chaos = flag.Duration("chaos", 10*time.Second, "how long TestChaos lasts")
)

func TestMain(m *testing.M) {
	logging.Disable() // go-redis has a line for each connection that is refused
	goleak.VerifyTestMain(m)
}

// beside lets quick tests run together; figures are taken one at a time.
func beside(t *testing.T) {
	t.Helper()
	if !*full {
		t.Parallel()
	}
}

// either is the size or time of a full run or of a quick one.
func either[T any](whole, quick T) T {
	if *full {
		return whole
	}
	return quick
}

// times are how long requests took.
type times struct {
	mu   sync.Mutex
	list []time.Duration // guarded by mu
}

func (s *times) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, d)
}

// quantile is the time that a share q of the requests did not exceed.
func (s *times) quantile(q float64) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) == 0 {
		return 0
	}
	slices.Sort(s.list)
	return s.list[int(q*float64(len(s.list)-1))].Round(time.Microsecond)
}

func (s *times) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.list)
}

// liveHeap is what the heap holds, in bytes.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // what pools held goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
