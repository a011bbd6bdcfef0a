package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// maxAbandoned is how many calls that were given up may still run; beyond it calls fail at once.
const maxAbandoned = 256

// ErrBusy says that a store has not come back from too many calls.
var ErrBusy = errors.New("store: too many calls hang")

// WithTimeout bounds every call on inner: it returns context.DeadlineExceeded after limit at the latest, also when
// inner ignores its context. Such a call goes on by itself, with the arguments it was given, so nobody may change them.
func WithTimeout(inner Bytes, limit time.Duration) Bytes {
	if r, ok := inner.(*Redis); ok {
		return r.withTimeout(limit)
	}
	return &timed{inner: inner, limit: limit}
}

// timed runs each call on a goroutine of its own, as nothing tells whether a foreign store heeds its context.
type timed struct {
	inner     Bytes
	limit     time.Duration
	abandoned atomic.Int64
}

func (t *timed) Get(ctx context.Context, key string) ([]byte, error) {
	return t.run(ctx, func(ctx context.Context) ([]byte, error) { return t.inner.Get(ctx, key) })
}

func (t *timed) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	_, err := t.run(ctx, func(ctx context.Context) ([]byte, error) { return nil, t.inner.Set(ctx, key, value, ttl) })
	return err
}

func (t *timed) Delete(ctx context.Context, keys ...string) error {
	_, err := t.run(ctx, func(ctx context.Context) ([]byte, error) { return nil, t.inner.Delete(ctx, keys...) })
	return err
}

// States of a call: whoever moves it out of running decides whether it counts as abandoned.
const (
	running int32 = iota
	returned
	abandoned
)

type call struct {
	state  atomic.Int32
	result chan result // holds one, so that an abandoned call ends
}

type result struct {
	value []byte
	err   error
}

func (t *timed) run(ctx context.Context, f func(context.Context) ([]byte, error)) ([]byte, error) {
	if t.abandoned.Load() >= maxAbandoned {
		return nil, ErrBusy
	}
	ctx, cancel := context.WithTimeout(ctx, t.limit)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &call{result: make(chan result, 1)}
	go t.execute(ctx, c, f)
	select {
	case r := <-c.result:
		return r.value, r.err
	case <-ctx.Done():
		if c.state.CompareAndSwap(running, abandoned) {
			t.abandoned.Add(1)
		}
		return nil, ctx.Err()
	}
}

func (t *timed) execute(ctx context.Context, c *call, f func(context.Context) ([]byte, error)) {
	value, err := guard(ctx, f)
	c.result <- result{value, err}
	if !c.state.CompareAndSwap(running, returned) {
		t.abandoned.Add(-1)
	}
}

// guard turns a panic into an error: on this goroutine it would end the process.
func guard(ctx context.Context, f func(context.Context) ([]byte, error)) (value []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store: panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return f(ctx)
}
