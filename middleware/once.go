package middleware

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/larderhq/larder/internal/policy"
)

const (
	// leaseTime is how long a replica may keep the others from running a handler: what a holder that dies costs at most.
	leaseTime = takeover
	// Those who wait ask again after a pause that grows from the first to the last.
	firstPause = 5 * time.Millisecond
	lastPause  = 100 * time.Millisecond
)

// lease is the right of one replica to run the handler for a key.
type lease struct {
	c          *Cache
	key, token string
}

// acquire asks for the lease on a key. ok is false while another replica holds it; where Redis cannot say, everyone runs.
func (c *Cache) acquire(ctx context.Context, key string) (l *lease, ok bool) {
	token := rand.Text()
	var free bool
	err := c.tiers.remote.guard(ctx, c.tiers.remote.writes, func() (err error) {
		free, err = c.tiers.remote.batches.Acquire(ctx, key, token, leaseTime)
		return err
	})
	switch {
	case err != nil:
		return nil, true
	case !free:
		return nil, false
	}
	return &lease{c, key, token}, true
}

// release gives the lease back once the response is stored, so that nobody finds neither.
func (l *lease) release(saved <-chan struct{}) {
	if l == nil {
		return
	}
	l.c.goBackground(func() {
		if saved != nil {
			<-saved
		}
		if err := l.c.tiers.remote.batches.Release(context.Background(), l.key, l.token); err != nil {
			l.c.logger.Debug("larder: lease not released, it runs out", "key", l.key, "error", err)
		}
	})
}

// once waits until this replica may run the handler, or another one has stored its answer.
func (x *exchange) once(key string) (l *lease, s *response) {
	c := x.rt.c
	deadline := x.arrived.Add(takeover)
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		l, ok := c.acquire(x.r.Context(), key)
		if s, v, _ := x.find(); v == policy.Fresh {
			l.release(nil)
			return nil, s
		}
		if ok || time.Now().After(deadline) || !x.sleep(pause) {
			return l, nil
		}
	}
}

// sleep waits, and reports false when the client leaves meanwhile.
func (x *exchange) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.r.Context().Done():
		return false
	}
}

// hasLeases reports whether there is a Redis to share runs through.
func (c *Cache) hasLeases() bool { return c.tiers.remote != nil && c.tiers.remote.batches != nil }
