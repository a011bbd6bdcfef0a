package middleware

import (
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
)

// refusalMemory is how long it is remembered that a key's answers may not be shared, so that its requests do not queue.
const refusalMemory = 10 * time.Second

// refusals remember keys in a fixed table. Two keys in one slot displace each other, and two with one hash pass for each other:
// either costs a run that could have been shared, never a wrong answer. The zero value is ready.
type refusals [1 << 13]struct{ hash, until atomic.Int64 }

func (t *refusals) add(key string, now time.Time) {
	h := int64(xxhash.Sum64String(key))
	slot := &t[uint64(h)%uint64(len(t))]
	slot.hash.Store(h)
	slot.until.Store(now.Add(refusalMemory).UnixNano())
}

func (t *refusals) recent(key string, now time.Time) bool {
	h := int64(xxhash.Sum64String(key))
	slot := &t[uint64(h)%uint64(len(t))]
	return slot.hash.Load() == h && now.UnixNano() < slot.until.Load()
}
