package middleware

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/larderhq/larder/internal/invalidation"
	"github.com/sony/gobreaker/v2"
)

const (
	// breakerFailures in a row open a breaker; it probes once every breakerProbe.
	breakerFailures = 3
	breakerProbe    = time.Second
)

// breaker keeps calls of one kind from a store that fails them: there are stores that answer reads but refuse writes.
type breaker struct {
	*gobreaker.CircuitBreaker[struct{}]
	bit    int32
	failed atomic.Pointer[time.Time] // when the last failure that counts was known
	calm   atomic.Bool               // a success was counted, and no failure since
}

const (
	readsDown int32 = 1 << iota // bits of remote.down
	writesDown
)

func newBreaker(name string, bit int32) *breaker {
	return &breaker{bit: bit, CircuitBreaker: gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         name,
		Timeout:      breakerProbe,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
		IsSuccessful: func(err error) bool { return err == nil || isMiss(err) },
		IsExcluded:   func(err error) bool { return mute(err) || errors.Is(err, errTogether) },
	})}
}

var (
	// errImpatient says that it was the caller's own time that ended, too early to tell anything about the store.
	errImpatient = errors.New("larder: the request ended before the store answered")
	// errTogether says that another call, which was under way at the same time, has failed and was counted.
	errTogether = errors.New("larder: failed with others")
	// errRoom says that a call succeeded which only gives room back, while others fail.
	errRoom = errors.New("larder: room given back")
)

// mute reports whether what came of a call tells nothing about the store.
func mute(err error) bool { return errors.Is(err, errImpatient) || errors.Is(err, errRoom) }

// verdict is what the breaker is told of a call. Calls under way together fail together, and count once: one lost packet, or a pause of
// Redis that is a little longer than the time-out, fails as many calls as there are requests, and would otherwise do for all that it
// takes to open the breaker.
func (b *breaker) verdict(began time.Time, err error) error {
	if err == nil || isMiss(err) || mute(err) {
		return err
	}
	now, last := time.Now(), b.failed.Load()
	if last != nil && began.Before(*last) || !b.failed.CompareAndSwap(last, &now) {
		return errTogether
	}
	return err
}

// guard runs f behind a breaker. While all is well, a success need not be counted: that takes 300 ns, and a lock that all requests share.
func (r *remote) guard(ctx context.Context, b *breaker, f func() error) error {
	began := time.Now()
	if !b.calm.Load() || r.down.Load()&b.bit != 0 {
		return r.count(ctx, b, began, f)
	}
	err := f()
	if err == nil || isMiss(err) {
		return err
	}
	return r.count(ctx, b, began, func() error { return err })
}

// free is guard for writes that only give room back. A Redis that is full takes these and refuses all others, so that while writes
// fail, the success of these is none of theirs: the store would be lost and back all the time.
func (r *remote) free(ctx context.Context, f func() error) error {
	err := r.guard(ctx, r.writes, func() error {
		if err := f(); err != nil || r.down.Load()&writesDown == 0 {
			return err
		}
		return errRoom
	})
	if errors.Is(err, errRoom) {
		return nil
	}
	return err
}

// count runs f unless the breaker is open, and keeps count of what comes of it.
func (r *remote) count(ctx context.Context, b *breaker, began time.Time, f func() error) (err error) {
	asked := false
	_, refused := b.Execute(func() (struct{}, error) {
		asked = true
		if err = f(); err != nil && ctx.Err() != nil && time.Since(began) < r.patience {
			err = errImpatient
		}
		return struct{}{}, b.verdict(began, err)
	})
	if !asked {
		return refused
	}
	r.mark(b, err)
	return err
}

// mark notes what came of a call.
func (r *remote) mark(b *breaker, err error) {
	switch {
	case mute(err):
	case err != nil && !isMiss(err):
		r.stats.storeErrors.Add(1)
		r.failedAt.Store(time.Now().UnixNano())
		if r.down.Or(b.bit) == 0 {
			r.log.Warn("larder: store lost, handlers answer until it is back", "calls", b.Name(), "error", err, invalidation.Cure(err))
		}
		b.calm.Store(false)
	case r.down.Load()&b.bit != 0:
		r.recover(b)
	default:
		b.calm.Store(true)
	}
}

// recover notes that calls of one kind succeed again, once none has failed for a second: a client's pool goes on failing calls for a
// while. Where reads had failed the whole store was lost, so that writes are back with them. That nothing is down any more is logged.
func (r *remote) recover(b *breaker) {
	if time.Now().UnixNano()-r.failedAt.Load() < int64(breakerProbe) {
		return
	}
	up := b.bit
	if up == readsDown {
		up |= writesDown
	}
	if old := r.down.And(^up); old&b.bit != 0 && old&^up == 0 {
		r.log.Info("larder: store is back")
	}
}
