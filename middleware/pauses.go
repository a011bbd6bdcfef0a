package middleware

import (
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
)

// refusalMemory is how long it is remembered that a key's answers may not be shared, so that its requests do not queue.
const refusalMemory = 10 * time.Second

// sizeMemory is the same for a response that is too large. That seldom changes, and whenever it is found out anew, a client that asked
// for a part, as players of films do, is sent the whole.
const sizeMemory = time.Hour

func memoryOf(refusal string) time.Duration {
	if refusal == detailBodySize {
		return sizeMemory
	}
	return refusalMemory
}

// pauses remember until when something is not tried for a key. The table does not grow: two keys in one slot displace each other, and
// two with the same hash pass for each other. Either costs a run too many or a later refresh, never a wrong answer. The zero value is
// ready.
type pauses [1 << 13]pause

type pause struct{ hash, until, length atomic.Int64 }

func (t *pauses) slot(key string) (p *pause, hash int64) {
	h := xxhash.Sum64String(key)
	return &t[h%uint64(len(t))], int64(h)
}

// add begins a pause of d, in the place of another one of the same key.
func (t *pauses) add(key string, now time.Time, d time.Duration) {
	p, hash := t.slot(key)
	p.hash.Store(hash)
	p.until.Store(now.Add(d).UnixNano())
	p.length.Store(int64(d))
}

// end ends the pause of a key, if there is one.
func (t *pauses) end(key string) {
	if p, hash := t.slot(key); p.hash.Load() == hash {
		p.until.Store(0)
	}
}

// recent reports whether a pause is not over.
func (t *pauses) recent(key string, now time.Time) bool {
	p, hash := t.slot(key)
	return p.hash.Load() == hash && now.UnixNano() < p.until.Load()
}

// last is how long the last pause of a key was to be, over or not; 0 where none is remembered.
func (t *pauses) last(key string) time.Duration {
	p, hash := t.slot(key)
	if p.hash.Load() != hash {
		return 0
	}
	return time.Duration(p.length.Load())
}
