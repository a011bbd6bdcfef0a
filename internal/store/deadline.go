package store

import (
	"context"
	"sync/atomic"
	"time"
)

// deadline is a context for one call after another, where context.WithTimeout takes six allocations a call. It has neither values
// nor a parent: a batch is for several callers, and a hook may hold on to the context when they have left.
type deadline struct {
	at    atomic.Int64 // Unix nanoseconds
	over  chan struct{}
	timer *time.Timer
}

func newDeadline() *deadline {
	d := &deadline{over: make(chan struct{})}
	d.timer = time.AfterFunc(time.Hour, func() { close(d.over) })
	return d
}

func (d *deadline) start(at time.Time) {
	d.at.Store(at.UnixNano())
	d.timer.Reset(time.Until(at))
}

// stop reports whether the deadline can be used again.
func (d *deadline) stop() bool { return d.timer.Stop() }

// Deadline implements context.Context.
func (d *deadline) Deadline() (time.Time, bool) { return time.Unix(0, d.at.Load()), true }

// Done implements context.Context.
func (d *deadline) Done() <-chan struct{} { return d.over }

// Err implements context.Context.
func (d *deadline) Err() error {
	select {
	case <-d.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// Value implements context.Context.
func (d *deadline) Value(any) any { return nil }
