package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// errPanicked marks what a panic left behind: the client may still hold its commands.
var errPanicked = errors.New("client panicked")

// lane sends b and then whatever was queued meanwhile.
func (l *lanes) lane(b *batch) {
	for b != nil {
		b.err = l.sendFor(b)
		close(b.done)
		next := l.landed(b)
		l.release(b)
		b = next
	}
}

// sendFor sends b for callers who each wait on their own context.
func (l *lanes) sendFor(b *batch) error {
	ctx, cancel := context.WithTimeout(context.Background(), l.hang)
	defer cancel()
	return l.send(ctx, b)
}

// lead sends b for its only caller, on the caller's goroutine.
func (l *lanes) lead(ctx context.Context, b *batch) {
	ctx, cancel := context.WithTimeout(ctx, l.limit)
	defer cancel()
	b.err = l.send(ctx, b)
	if failure(b.cmds) != nil && ctx.Err() != nil {
		b.err = ctx.Err() // not how the client puts it, a network error
	}
	next := l.landed(b)
	l.release(b)
	if next != nil {
		go l.lane(next)
	}
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
		return nil
	}
	pipe := l.client.Pipeline()
	_ = pipe.BatchProcess(ctx, b.cmds...) // only queues
	_, _ = pipe.Exec(ctx)                 // likewise
	return nil
}
