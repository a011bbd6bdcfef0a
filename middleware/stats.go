package middleware

import (
	"net/http"
	"sync/atomic"
	"unsafe"
)

// Stats are counts since New, and what memory holds now.
type Stats struct {
	Hits          int64 // answered from the store, stale ones included
	Misses        int64 // the handler ran, or the request waited for a run or was only-if-cached
	Bypasses      int64 // passed by; unsafe methods, which have a way of their own, are not counted
	Stores        int64 // responses accepted for storing
	Refusals      int64 // responses that were not stored
	Stale         int64 // stale responses served in the place of an error
	Invalidations int64 // selectors invalidated by this process; a path with a host counts twice, as routes with AnyHost have it too
	Panics        int64 // handlers that panicked
	StoreErrors   int64 // failed calls to Redis or Store
	Dropped       int64 // writes to Redis or Store that were given up
	Corrupt       int64 // entries that could not be read
	Entries       int   // in memory
	Bytes         int64 // in memory
}

// counters are the live form of Stats.
type counters struct {
	hits                                                             tally
	misses, bypasses, stores, refusals, stale, invalidations, panics atomic.Int64
	storeErrors, dropped, corrupt                                    atomic.Int64
}

// Stats returns the counts since New, and the bytes and entries in memory.
func (c *Cache) Stats() Stats {
	n := &c.stats
	s := Stats{
		Hits: n.hits.sum(), Misses: n.misses.Load(), Bypasses: n.bypasses.Load(), Stores: n.stores.Load(),
		Refusals: n.refusals.Load(), Stale: n.stale.Load(), Invalidations: n.invalidations.Load(), Panics: n.panics.Load(),
		StoreErrors: n.storeErrors.Load(), Dropped: n.dropped.Load(), Corrupt: n.corrupt.Load(),
	}
	if m := c.tiers.memory; m != nil {
		s.Entries, s.Bytes = m.Len(), m.Bytes()
	}
	return s
}

// tally is a counter in shares, so that cores that count at the same time do not wait for each other's cache line. With one for all,
// two cores serve a sixth less.
type tally [8]struct {
	_ [56]byte
	atomic.Int64
}

var shares atomic.Int64

// nextShare returns a share of every tally, for one that counts again and again.
func nextShare() int { return int(shares.Add(1) % int64(len(tally{}))) }

// near is a share for one that counts once: requests of the same core lie near each other in memory.
func (t *tally) near(r *http.Request) *atomic.Int64 {
	return &t[uintptr(unsafe.Pointer(r))>>13%uintptr(len(t))].Int64
}

func (t *tally) sum() (n int64) {
	for i := range t {
		n += t[i].Load()
	}
	return n
}
