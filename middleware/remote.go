package middleware

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larderhq/larder/internal/store"
	"github.com/sony/gobreaker/v2"
)

const (
	// writeQueue and writeQueueBytes bound the writes behind responses; beyond them they are dropped and counted.
	writeQueue      = 1024
	writeQueueBytes = 64 << 20
	// writeShare of the memory tier's budget is the bound in bytes where that is less: what waits for a slow store is kept beside what
	// memory holds, as memory has often dropped it by then, and with it the heap is to stay within the budget and a fifth. An entry
	// that is larger waits alone.
	writeShare = 16
	// writeBatch is how many go to Redis together, with writeBatchBytes at most: one time-out is for all of them.
	writeBatch      = 32
	writeBatchBytes = 1 << 20
)

// remote is the byte tier: Redis or a store of the user's own, behind a time-out, breakers and a queue for writes.
// Its errors never reach a request.
type remote struct {
	bytes         store.Bytes
	batches       *store.Redis // bytes, where it takes several values at once
	reads, writes *breaker
	log           *slog.Logger
	stats         *counters
	patience      time.Duration // the end of a request before it says nothing about the store
	failedAt      atomic.Int64  // Unix nanoseconds of the last failure
	down          atomic.Int32  // the bits of the breakers whose last call failed
	closed        atomic.Bool

	mu      sync.Mutex
	room    int // for what is queued and being written, in bytes
	size    int // of room, taken
	queue   []*write
	waiting map[string]*write // the last write of each key that is not done yet
	working bool
	idle    chan struct{} // closed while no worker runs
}

// write is one entry on its way to the byte tier; where k is nil, the key is deleted.
type write struct {
	key  string
	k    *kept
	size int // when it was queued
	ttl  time.Duration
	done chan struct{}
}

// newRemote returns the tier on bytes, whose calls take no longer than timeout, behind a memory tier with a budget, if that is positive.
func newRemote(bytes store.Bytes, timeout time.Duration, memory int64, log *slog.Logger, stats *counters) *remote {
	r := &remote{bytes: bytes, patience: timeout / 4, room: writeQueueBytes, log: log, stats: stats, waiting: make(map[string]*write), idle: make(chan struct{})}
	close(r.idle)
	if memory > 0 {
		r.room = int(min(writeQueueBytes, memory/writeShare))
	}
	r.batches, _ = bytes.(*store.Redis)
	r.reads, r.writes = newBreaker("reads", readsDown), newBreaker("writes", writesDown)
	return r
}

// get returns the value under key. found is false where there is none, and where the store fails or is not to be asked.
func (r *remote) get(ctx context.Context, key string) (value []byte, found bool) {
	found = r.ask(ctx, func() (err error) {
		value, err = r.bytes.Get(ctx, key)
		return err
	})
	return value, found
}

// read is get for a caller that releases the value. The key is not kept: its memory may be used again.
func (r *remote) read(ctx context.Context, key []byte) (v store.Value, found bool) {
	if r.batches == nil {
		v.Bytes, found = r.get(ctx, string(key))
		return v, found
	}
	found = r.ask(ctx, func() (err error) {
		v, err = r.batches.Read(ctx, alias(key))
		return err
	})
	return v, found
}

// ask has get look something up unless that is pointless, and reports whether it was found.
func (r *remote) ask(ctx context.Context, get func() error) bool {
	return ctx.Err() == nil && !r.closed.Load() && r.guard(ctx, r.reads, get) == nil
}

// pending returns what is on its way to the store, so that the process hits at once on what it stored, and misses on what it
// dropped: then it is nil.
func (r *remote) pending(key string) (k *kept, found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, found := r.waiting[key]
	if found {
		k = w.k
	}
	return k, found
}

// put stores an entry behind the request; the channel is closed when that is done or given up. nil: nobody should wait for it.
func (r *remote) put(key string, k *kept, ttl time.Duration) <-chan struct{} {
	done := r.enqueue(&write{key: key, k: k, ttl: ttl, done: make(chan struct{})})
	if r.down.Load() != 0 {
		return nil
	}
	return done
}

// drop deletes a key behind the request.
func (r *remote) drop(key string) { r.enqueue(&write{key: key, done: make(chan struct{})}) }

func (r *remote) enqueue(w *write) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.size = w.weigh()
	if r.closed.Load() || r.writes.State() == gobreaker.StateOpen || len(r.queue) >= writeQueue || r.size > 0 && r.size+w.size > r.room {
		r.stats.dropped.Add(1)
		return nil
	}
	r.size += w.size
	r.queue = append(r.queue, w)
	r.waiting[w.key] = w
	if !r.working { // one worker, so that the writes of a key keep their order; it ends when it has nothing to do
		r.working, r.idle = true, make(chan struct{})
		go r.work()
	}
	return w.done
}

func (r *remote) work() {
	for list := r.next(nil); list != nil; list = r.next(list) {
		if err := r.try(context.Background(), list); err != nil {
			r.stats.dropped.Add(int64(len(list)))
		}
	}
}

func (r *remote) try(ctx context.Context, list []*write) error {
	call := func() error { return r.write(list) }
	if list[0].k == nil {
		return r.free(ctx, call)
	}
	return r.guard(ctx, r.writes, call)
}

// next takes writes off the queue after those that are done, or ends the work. Those that it returns are for different keys,
// and a deletion comes alone.
func (r *remote) next(finished []*write) []*write {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range finished {
		close(w.done)
		r.size -= w.size
		if r.waiting[w.key] == w {
			delete(r.waiting, w.key)
		}
	}
	if len(r.queue) == 0 {
		r.queue, r.working = nil, false
		close(r.idle)
		return nil
	}
	n, bytes := 1, r.queue[0].size
	for n < len(r.queue) && r.joins(n, &bytes) {
		n++
	}
	list := slices.Clone(r.queue[:n])
	clear(r.queue[:n])
	r.queue = r.queue[n:]
	return list
}

// joins reports whether the n-th write of the queue can go together with those before it, and adds to their bytes.
func (r *remote) joins(n int, bytes *int) bool {
	w := r.queue[n]
	if r.batches == nil || n >= writeBatch || w.k == nil || r.queue[n-1].k == nil {
		return false
	}
	*bytes += w.size
	return *bytes <= writeBatchBytes && !slices.ContainsFunc(r.queue[:n], func(before *write) bool { return before.key == w.key })
}

func (r *remote) write(list []*write) error {
	ctx := context.Background() // the store has a time-out of its own, and the requests may be over
	w := list[0]
	switch {
	case w.k == nil:
		return r.bytes.Delete(ctx, w.key)
	case len(list) == 1:
		return r.bytes.Set(ctx, w.key, w.k.bytes(), w.ttl)
	}
	items := make([]store.Item, len(list))
	for i, w := range list {
		items[i] = store.Item{Key: w.key, Value: w.k.bytes(), TTL: w.ttl}
	}
	return r.batches.SetAll(ctx, items)
}

// weigh is what a write holds in memory, in bytes: more once a request has opened the entry.
func (w *write) weigh() int {
	if w.k == nil {
		return len(w.key)
	}
	return w.k.size()
}

// close lets the writes that are queued finish, until the context ends. From now on the store is left alone.
func (r *remote) close(ctx context.Context) error {
	r.mu.Lock()
	r.closed.Store(true)
	idle := r.idle
	r.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
