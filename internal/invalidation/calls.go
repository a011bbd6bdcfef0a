package invalidation

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// calls runs calls to the server under deadlines of its own, since a client may sit on a silent connection long after its context ended.
// A call that outlives its deadline goes on in a goroutine of which there are only so many; its result is dropped.
type calls struct {
	slots   chan struct{}
	running sync.WaitGroup
}

func newCalls(n int) *calls { return &calls{slots: make(chan struct{}, n)} }

type result[T any] struct {
	value T
	err   error
}

// call runs f for at most d.
func call[T any](ctx context.Context, c *calls, d time.Duration, f func(context.Context) (T, error)) (none T, _ error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	done := make(chan result[T], 1)
	c.running.Go(func() {
		defer func() { <-c.slots }()
		done <- guard(ctx, f)
	})
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// guard turns a panic into an error: on this goroutine it would end the process. go-redis panics on a length that no memory holds,
// and hooks are the user's.
func guard[T any](ctx context.Context, f func(context.Context) (T, error)) (r result[T]) {
	defer func() {
		if p := recover(); p != nil {
			r.err = fmt.Errorf("client panicked: %v\n%s", p, debug.Stack())
		}
	}()
	r.value, r.err = f(ctx)
	return r
}
