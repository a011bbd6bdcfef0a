package middleware

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larderhq/larder/internal/invalidation"
	"github.com/larderhq/larder/internal/store"
	"github.com/larderhq/larder/keybuilder"
)

// Cache stores the responses of handlers. Its methods may be called concurrently; make one per process and share it.
type Cache struct {
	opt     Options
	logger  *slog.Logger
	builder keybuilder.Builder
	tiers   tiers
	replays []atomic.Pointer[replay]
	log     *invalidation.Log
	stats   counters

	flights    flights
	purges     purges
	refusals   pauses       // of keys whose answers may not be shared
	backoffs   pauses       // of entries whose refresh has failed
	maxFilling int64        // bytes that all runs together may hold back; beyond it responses stream and are not stored
	filling    atomic.Int64 // bytes that they hold back now
	refreshing atomic.Int64
	returning  atomic.Int64 // leases that wait to be given back again
	told       atomic.Int64 // Unix nanoseconds of the last warning of an unreadable entry
	background sync.WaitGroup
	closing    sync.RWMutex // held for reading while background work begins
	closed     atomic.Bool
	finished   chan struct{} // closed when Close is through
	closeErr   error         // what Close returns; set before finished is closed
}

// ErrClosing is returned by Close when background work has not ended in time.
var ErrClosing = errors.New("larder: background work has not ended in time")

// New returns a Cache. It checks the options, all at once, but does not need a reachable Redis. Close it in the end.
func New(o Options) (*Cache, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	c := &Cache{opt: o.withDefaults(), finished: make(chan struct{})}
	c.logger = c.opt.Logger
	c.maxFilling = max(fillBytes(c.opt.MemoryBytes), c.opt.MaxBodyBytes)
	c.builder = keybuilder.New(c.opt.Prefix, c.opt.IgnoreTypes...)
	c.tiers.indexes = store.NewMemory(indexBytes, func(_ string, e *store.Entry) int { return e.Size() }, nil)
	if c.opt.MemoryBytes > 0 {
		c.tiers.memory = store.NewMemory(c.opt.MemoryBytes, func(_ string, k *kept) int { return k.size() }, (*kept).retire)
		c.replays = newReplays(c.opt.MemoryBytes)
	}
	var bytes store.Bytes
	switch {
	case c.opt.Redis != nil:
		bytes = store.NewRedis(c.opt.Redis)
	case c.opt.Store != nil:
		bytes = c.opt.Store
	}
	if bytes != nil {
		bytes = store.WithTimeout(bytes, c.opt.StoreTimeout)
		c.tiers.remote = newRemote(bytes, c.opt.StoreTimeout, c.opt.MemoryBytes, c.logger, &c.stats)
	}
	c.log = invalidation.New(invalidation.Config{
		Client:  c.opt.Redis,
		Prefix:  c.opt.Prefix,
		Lease:   c.opt.Lease,
		Timeout: c.opt.StoreTimeout,
		Logger:  c.logger,
		OnReset: c.tiers.clear,
	})
	return c, nil
}

// passive reports whether requests pass by untouched.
func (c *Cache) passive() bool { return c.opt.Disabled || c.closed.Load() }

// awaitLog lets the first requests of a process wait until the log was read once: before that nothing that other processes
// stored is usable, and what is stored has no position in the log. Where the store does not answer, the log will not either, and
// nobody waits for both.
func (c *Cache) awaitLog(ctx context.Context) {
	if r := c.tiers.remote; r != nil && r.down.Load()&readsDown != 0 {
		return
	}
	c.log.Await(ctx)
}

// goBackground runs f in a goroutine that Close waits for. Once the cache is closed, it runs f in the caller's goroutine.
func (c *Cache) goBackground(f func()) {
	c.closing.RLock()
	closed := c.closed.Load()
	if !closed {
		c.background.Go(f)
	}
	c.closing.RUnlock()
	if closed {
		f()
	}
}

// closeTimeout bounds Close.
const closeTimeout = 10 * time.Second

// Close waits for background work, at most ten seconds, and frees the memory. It returns ErrClosing where the work has not ended by
// then, and leaves the Redis client open. Shut the server down first: once the cache is closed requests pass by, and with Redis an
// invalidation fails and is not repeated. Close may be called again: every call waits for the first and returns the same.
func (c *Cache) Close() error {
	c.closing.Lock()
	again := c.closed.Swap(true)
	c.closing.Unlock()
	if !again {
		c.closeErr = c.close()
		close(c.finished)
	}
	<-c.finished
	return c.closeErr
}

func (c *Cache) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	done := make(chan struct{})
	go func() {
		c.background.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ErrClosing
	}
	if c.tiers.remote != nil && c.tiers.remote.close(ctx) != nil {
		err = ErrClosing
	}
	c.log.Close()
	c.tiers.close()
	return err
}
