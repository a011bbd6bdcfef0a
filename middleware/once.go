package middleware

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/larderhq/larder/internal/policy"
)

const (
	// leaseTime is how long a replica may keep the others from running a handler: what a holder that dies costs at most.
	leaseTime = takeover
	// Those who wait ask again after a pause that grows from the first to the last.
	firstPause = 5 * time.Millisecond
	lastPause  = 100 * time.Millisecond
	// A lease that cannot be given back is offered again every breakerProbe, so many times; so many at a time, as a Redis that
	// grants leases but refuses scripts takes none back.
	maxReturns   = 10
	maxReturning = 256
)

// lease is the right of one replica to run the handler for a key.
type lease struct {
	c          *Cache
	key, token string
	unsure     bool // Redis did not say whose it is
	asked      bool // Redis may have granted it
	returned   int  // how often it was given back in vain
}

func (c *Cache) newLease(key string) *lease { return &lease{c: c, key: key, token: rand.Text()} }

// acquire asks for the lease. It is refused while another replica holds it; where Redis cannot say, everyone runs.
func (l *lease) acquire(ctx context.Context) (granted bool) {
	return l.ask(ctx, l.c.tiers.remote.batches.Acquire)
}

// contend asks again, and has the holder wake those who wait when it is done.
func (l *lease) contend(ctx context.Context) (granted bool) {
	return l.ask(ctx, l.c.tiers.remote.batches.Contend)
}

type asks func(ctx context.Context, key, token string, ttl time.Duration) (bool, error)

// ask asks once more where the answer is late. A stampede may have taken Redis, or this process, the time, and a run in each replica
// would only add to that. Contend knows the token again if the first call was granted after all.
func (l *lease) ask(ctx context.Context, how asks) (granted bool) {
	granted, err := l.guarded(ctx, how)
	if errors.Is(err, context.DeadlineExceeded) {
		granted, err = l.guarded(ctx, l.c.tiers.remote.batches.Contend)
	}
	l.unsure = err != nil
	return granted || l.unsure
}

func (l *lease) guarded(ctx context.Context, how asks) (granted bool, err error) {
	r := l.c.tiers.remote
	err = r.guard(ctx, r.writes, func() (err error) {
		l.asked = true
		granted, err = how(ctx, l.key, l.token, leaseTime)
		return err
	})
	return granted, err
}

// release gives the lease back once the response is stored, so that nobody finds neither, and wakes those who wait for it.
func (l *lease) release(saved <-chan struct{}) {
	if l == nil {
		return
	}
	l.c.goBackground(func() {
		ctx := context.Background() // the requests may be over; what is called has time-outs of its own
		if saved != nil {
			<-saved
		}
		awaited, err := l.giveBack(ctx)
		if err == nil && awaited && saved != nil {
			err = l.c.log.Wake(ctx)
		}
		if err != nil { // those who wait look now and then
			l.c.logger.Debug("larder: lease not released in time", "key", l.key, "error", err)
		}
	})
}

// giveBack has Redis forget the lease. Where that fails it is tried again later: Redis may have lost what was stored and, after a pause,
// even do what it was asked before, and would keep everyone from running for as long as the lease lasts.
func (l *lease) giveBack(ctx context.Context) (awaited bool, err error) {
	r := l.c.tiers.remote
	err = r.free(ctx, func() (err error) {
		awaited, err = r.batches.Release(ctx, l.key, l.token)
		return err
	})
	if err != nil && l.asked {
		l.giveBackLater(ctx)
	}
	return awaited, err
}

func (l *lease) giveBackLater(ctx context.Context) {
	c := l.c
	if l.returned++; l.returned > maxReturns {
		return
	}
	if c.returning.Add(1) > maxReturning {
		c.returning.Add(-1)
		return
	}
	time.AfterFunc(breakerProbe, func() {
		c.returning.Add(-1)
		if !c.closed.Load() {
			c.goBackground(func() { _, _ = l.giveBack(ctx) })
		}
	})
}

// once waits until this replica may run the handler, or another one has stored its answer.
func (x *exchange) once(key string) (l *lease, s *response) {
	log, ctx := x.rt.c.log, x.r.Context()
	l = x.rt.c.newLease(key)
	deadline := x.arrived.Add(takeover)
	// Whoever holds the lease stores, lets go of it, and then writes to the log: a word that is listened for before asking is not missed.
	next, granted := log.Next(), l.acquire(ctx)
	for pause := firstPause; !granted; pause = min(2*pause, lastPause) {
		if time.Now().After(deadline) {
			return nil, nil
		}
		if s, stays := x.watch(next, pause); s != nil || !stays {
			return nil, s
		}
		next, granted = log.Next(), l.contend(ctx)
	}
	if l.unsure {
		return l, nil // it may be ours all the same, and is given back
	}
	if s = x.stored(); s == nil && x.rt.c.tiers.remote.down.Load()&readsDown != 0 {
		s = x.stored() // as for the lease: the answer may just have been late
	}
	if s != nil {
		l.release(nil)
		return nil, s
	}
	return l, nil
}

// watch looks for another replica's answer after a pause, or as soon as there is word in the log, which may be about anything: it
// makes nobody ask for the lease. stays is false when the client leaves meanwhile.
func (x *exchange) watch(next <-chan struct{}, pause time.Duration) (s *response, stays bool) {
	end := time.After(pause)
	for {
		select {
		case <-next:
			next = x.rt.c.log.Next()
			if s = x.stored(); s != nil {
				return s, true
			}
			if !x.sleep(firstPause) { // a log that many purge in has word all the time
				return nil, false
			}
		case <-end:
			return x.stored(), true
		case <-x.r.Context().Done():
			return nil, false
		}
	}
}

// stored is the fresh response to the request that somebody has stored by now, or nil.
func (x *exchange) stored() *response {
	if s, v, _ := x.find(); v == policy.Fresh {
		return s
	}
	return nil
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
