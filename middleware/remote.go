package middleware

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larderhq/larder/internal/store"
	"github.com/sony/gobreaker/v2"
)

const (
	// breakerFailures in a row open a breaker; it probes once every breakerProbe.
	breakerFailures = 3
	breakerProbe    = time.Second
	// writeQueue bounds the writes behind responses; beyond it they are dropped and counted.
	writeQueue = 1024
	// writeBatch is how many go to Redis together.
	writeBatch = 32
)

// remote is the byte tier: Redis or a store of the user's own, behind a time-out, breakers and a queue for writes.
// Its errors never reach a request.
type remote struct {
	bytes         store.Bytes
	batches       *store.Redis // bytes, where it takes several values at once
	reads, writes *gobreaker.TwoStepCircuitBreaker[struct{}]
	log           *slog.Logger
	stats         *counters
	down          atomic.Bool

	mu      sync.Mutex
	queue   []*write
	waiting map[string]*write // the last write of each key that is not done yet
	working bool
	idle    chan struct{} // closed while no worker runs
}

// write is one entry on its way to the byte tier; without a response the key is deleted.
type write struct {
	key  string
	s    *response
	ttl  time.Duration
	done chan struct{}
}

func newRemote(bytes store.Bytes, log *slog.Logger, stats *counters) *remote {
	r := &remote{bytes: bytes, log: log, stats: stats, waiting: make(map[string]*write), idle: make(chan struct{})}
	close(r.idle)
	r.batches, _ = bytes.(*store.Redis)
	r.reads, r.writes = newBreaker("reads"), newBreaker("writes")
	return r
}

func newBreaker(name string) *gobreaker.TwoStepCircuitBreaker[struct{}] {
	return gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         name,
		Timeout:      breakerProbe,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
		IsSuccessful: func(err error) bool { return err == nil || isMiss(err) },
		IsExcluded:   func(err error) bool { return errors.Is(err, errImpatient) },
	})
}

// errImpatient says that it was the caller's own time that ended, which tells nothing about the store.
var errImpatient = errors.New("larder: the request ended before the store answered")

// get returns the entry under key, or nil: it is not there, cannot be read, or the store cannot be asked.
func (r *remote) get(ctx context.Context, key string) *store.Entry {
	var value []byte
	err := r.guard(ctx, r.reads, func() (err error) {
		value, err = r.bytes.Get(ctx, key)
		return err
	})
	if err != nil {
		return nil
	}
	e, err := store.Decode(key, value)
	if err != nil {
		r.stats.corrupt.Add(1)
		r.log.Warn("larder: unreadable entry", "key", key, "error", err)
		return nil
	}
	return e
}

// guard runs f behind a breaker and keeps count of what comes of it.
func (r *remote) guard(ctx context.Context, b *gobreaker.TwoStepCircuitBreaker[struct{}], f func() error) error {
	report, err := b.Allow()
	if err != nil {
		return err
	}
	if err = f(); err != nil && ctx.Err() != nil {
		err = errImpatient
	}
	report(err)
	switch {
	case err == nil || isMiss(err):
		if r.down.Load() && r.down.CompareAndSwap(true, false) {
			r.log.Info("larder: store is back", "store", b.Name())
		}
	case !errors.Is(err, errImpatient):
		r.stats.storeErrors.Add(1)
		if r.down.CompareAndSwap(false, true) {
			r.log.Warn("larder: store lost, handlers answer until it is back", "store", b.Name(), "error", err)
		}
	}
	return err
}

// pending returns what is on its way to the store, so that the process hits at once on what it stored, and misses on what it
// dropped: then s is nil.
func (r *remote) pending(key string) (s *response, found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, found := r.waiting[key]
	if found {
		s = w.s
	}
	return s, found
}

// put stores a response behind the request; the channel is closed when that is done or given up. nil: it was dropped.
func (r *remote) put(s *response, ttl time.Duration) <-chan struct{} {
	return r.enqueue(&write{key: s.Key, s: s, ttl: ttl, done: make(chan struct{})})
}

// drop deletes a key behind the request.
func (r *remote) drop(key string) { r.enqueue(&write{key: key, done: make(chan struct{})}) }

func (r *remote) enqueue(w *write) <-chan struct{} {
	if r.writes.State() == gobreaker.StateOpen {
		r.stats.dropped.Add(1)
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) >= writeQueue {
		r.stats.dropped.Add(1)
		return nil
	}
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
		err := r.guard(context.Background(), r.writes, func() error { return r.write(list) })
		if err != nil {
			r.stats.dropped.Add(int64(len(list)))
		}
	}
}

// next takes writes off the queue after those that are done, or ends the work. Those that it returns are for different keys,
// and a deletion comes alone.
func (r *remote) next(finished []*write) []*write {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range finished {
		close(w.done)
		if r.waiting[w.key] == w {
			delete(r.waiting, w.key)
		}
	}
	if len(r.queue) == 0 {
		r.queue, r.working = nil, false
		close(r.idle)
		return nil
	}
	n := 1
	for n < len(r.queue) && n < writeBatch && r.batches != nil && r.queue[n-1].s != nil && r.queue[n].s != nil &&
		!slices.ContainsFunc(r.queue[:n], func(w *write) bool { return w.key == r.queue[n].key }) {
		n++
	}
	list := slices.Clone(r.queue[:n])
	clear(r.queue[:n])
	r.queue = r.queue[n:]
	return list
}

func (r *remote) write(list []*write) error {
	ctx := context.Background() // the store has a time-out of its own, and the requests may be over
	w := list[0]
	switch {
	case w.s == nil:
		return r.bytes.Delete(ctx, w.key)
	case len(list) == 1:
		return r.bytes.Set(ctx, w.key, store.Encode(w.s.Entry), w.ttl)
	}
	items := make([]store.Item, len(list))
	for i, w := range list {
		items[i] = store.Item{Key: w.key, Value: store.Encode(w.s.Entry), TTL: w.ttl}
	}
	return r.batches.SetAll(ctx, items)
}

// wait lets writes finish, until the context ends.
func (r *remote) wait(ctx context.Context) error {
	r.mu.Lock()
	idle := r.idle
	r.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
