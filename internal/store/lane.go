package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/redis/go-redis/v9"
)

// errPanicked marks what a panic left behind: the client may still hold its commands.
var errPanicked = errors.New("client panicked")

// lane sends b and then whatever was queued meanwhile. If that is little, the callers that b answered run first, so that more
// commands have come by then.
func (l *lanes) lane(b *batch) {
	for b != nil {
		l.fly(b, b.sentAt.Add(l.hang))
		close(b.done)
		if l.few() {
			runtime.Gosched()
		}
		next := l.landed(b)
		l.release(b)
		b = next
	}
}

// lead sends b for its only caller, on the caller's goroutine.
func (l *lanes) lead(ctx context.Context, b *batch) {
	until := b.sentAt.Add(l.limit)
	if at, ok := ctx.Deadline(); ok && at.Before(until) {
		until = at
	}
	l.fly(b, until)
	if b.err == nil {
		b.err = ended(ctx, failure(b.cmds))
	}
	next := l.landed(b)
	l.release(b)
	if next != nil {
		go l.lane(next)
	}
}

// fly has the client execute b. A client that heeds contexts returns when until has come.
func (l *lanes) fly(b *batch, until time.Time) {
	b.err = l.send(b.begin(until), b)
	b.end()
}

// ended returns the context's error where the end of the context is what made a command fail with err. The client may report that
// as a network error.
func ended(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var slow net.Error
	if errors.As(err, &slow) && slow.Timeout() { // the connection's deadline is the context's, and noticed earlier
		return context.DeadlineExceeded
	}
	return nil
}

// send executes b. What happened to a command is in the command; the error is for what happened to none.
func (l *lanes) send(ctx context.Context, b *batch) (err error) {
	defer func() {
		if p := recover(); p != nil { // go-redis does on a bulk length that no memory holds
			err = fmt.Errorf("%w: %v\n%s", errPanicked, p, debug.Stack())
		}
	}()
	if len(b.cmds) == 1 {
		_ = l.client.Process(ctx, b.cmds[0]) // the command keeps its error
	} else {
		err = l.pipeline(ctx, b.cmds)
	}
	if err != nil || failure(b.cmds) != nil {
		l.relocate()
	}
	return err
}

// pipeline executes commands that each keep their own error. What Redis says to a connection that is not ready, as to a wrong password,
// go-redis leaves in none of them: without its own error they would all look answered.
func (l *lanes) pipeline(ctx context.Context, cmds []redis.Cmder) error {
	pipe := l.client.Pipeline()
	_ = pipe.BatchProcess(ctx, cmds...) // only queues
	_, err := pipe.Exec(ctx)
	if errors.Is(err, redis.Nil) || failure(cmds) != nil {
		return nil
	}
	return err
}

// relocate makes the client of a cluster look for its servers again, in the background. By itself it does so once a minute, or
// where a server redirects it, which one that is gone does not.
func (l *lanes) relocate() {
	if c, ok := l.client.(interface{ ReloadState(context.Context) }); ok {
		c.ReloadState(context.Background())
	}
}

// wait returns when b is answered, or when the caller has to leave. A batch without done was sent by the caller.
func (l *lanes) wait(ctx context.Context, b *batch) error {
	if b.done == nil {
		return b.err
	}
	var over <-chan time.Time
	if l.limit > 0 {
		t := l.timer()
		defer l.timers.Put(t)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	case <-over:
		return context.DeadlineExceeded
	}
}

func (l *lanes) timer() *time.Timer {
	if t, ok := l.timers.Get().(*time.Timer); ok {
		t.Reset(l.limit)
		return t
	}
	return time.NewTimer(l.limit)
}

// release ends the caller's or the lane's interest in b. The last one makes it free for use again; a batch that all
// callers have left before it is sent is not sent.
func (l *lanes) release(b *batch) {
	if b.refs.Add(-1) > 0 || errors.Is(b.err, errPanicked) {
		return
	}
	b.reset()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.spare) < maxSpare {
		l.spare = append(l.spare, b)
	}
}
