package store

import (
	"math"
	"sync/atomic"

	"github.com/maypok86/otter/v2"
)

// memoryOverhead is what the cache itself takes per entry: otter's node (64 bytes), its share of the hash table
// (17 to 34 bytes) and of the frequency sketch (8 to 16 bytes). TestMemoryOverhead measures it.
const memoryOverhead = 112

// Memory is the in-process tier: values by key, bounded in bytes. All methods may be called concurrently.
//
// What is asked for often stays (W-TinyLFU admission and eviction), so a scan of keys that are asked for once does
// not push it out. Dead values are not looked for: each carries its own times and whoever loads it judges it, so
// they are overwritten or leave as the least used. A timer per entry would cost every write and tell nobody more.
type Memory[V any] struct {
	cache  *otter.Cache[string, V]
	weigh  func(key string, v V) uint32
	gone   func(V)
	budget int64
	closed atomic.Bool
}

// NewMemory returns a tier that keeps at most maxBytes. size says how many bytes a value holds, its key included;
// the tier adds its own overhead. gone, if not nil, is told of each value that leaves or gives way to another; it runs under locks, so that it
// must not call the tier.
func NewMemory[V any](maxBytes int64, size func(key string, v V) int, gone func(V)) *Memory[V] {
	if gone == nil {
		gone = func(V) {}
	}
	m := &Memory[V]{
		budget: max(maxBytes, 1), // otter takes 0 for "no bound"
		gone:   gone,
		weigh:  func(key string, v V) uint32 { return clampWeight(size(key, v) + memoryOverhead) },
	}
	m.cache = otter.Must(&otter.Options[string, V]{
		MaximumWeight: uint64(m.budget),
		Weigher:       m.weigh,
		OnAtomicDeletion: func(e otter.DeletionEvent[string, V]) {
			if e.Cause != otter.CauseReplacement { // that is for Store to tell: a value that is weighed anew replaces itself
				gone(e.Value)
			}
		},
		// The default executor, whose short goroutines replay reads into the eviction policy: done by the reader
		// itself, a load from a full cache takes two to three times as long.
	})
	return m
}

func clampWeight(n int) uint32 { return uint32(min(uint64(max(n, 1)), math.MaxUint32)) }

// Load returns the value under key. It allocates nothing and does not keep key, which may alias a buffer that the
// caller reuses.
func (m *Memory[V]) Load(key string) (V, bool) { return m.cache.GetIfPresent(key) }

// Store keeps v under key, replacing what was there. A value heavier than the whole budget only removes it.
func (m *Memory[V]) Store(key string, v V) {
	if m.closed.Load() || int64(m.weigh(key, v)) > m.budget {
		m.Delete(key)
		return
	}
	if old, added := m.cache.Set(key, v); !added {
		m.gone(old)
	}
}

// Reweigh asks anew for the size of what is under key.
func (m *Memory[V]) Reweigh(key string) {
	m.cache.ComputeIfPresent(key, func(v V) (V, otter.ComputeOp) { return v, otter.WriteOp })
}

// Delete forgets key.
func (m *Memory[V]) Delete(key string) { m.cache.Invalidate(key) }

// Clear forgets everything.
func (m *Memory[V]) Clear() { m.cache.InvalidateAll() }

// Len is the number of values.
func (m *Memory[V]) Len() int { return m.cache.EstimatedSize() }

// Bytes is what the values weigh, overhead included. It first lets evictions that are due happen.
func (m *Memory[V]) Bytes() int64 {
	m.cache.CleanUp()
	return int64(m.cache.WeightedSize())
}

// Close forgets everything and keeps nothing afterwards. It may be called more than once.
func (m *Memory[V]) Close() {
	m.closed.Store(true)
	m.Clear()
	m.cache.CleanUp() // waits for maintenance under way; there is no goroutine that stays
}
