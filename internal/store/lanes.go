package store

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Bounds of the lanes of one store.
const (
	maxLanes   = 3           // batches under way at a time
	maxQueue   = 64          // batches not yet sent
	maxHung    = 256         // lanes given up whose client has not come back yet
	hangsAfter = time.Second // where no time-out says how long a batch may take
)

// lanes send commands to Redis in batches, at most maxLanes at a time. Whoever comes while all lanes are taken joins
// the last batch not yet sent, so that nobody reads what is older than its own call, and one write and one read of the
// socket serve all of them: of a served request, the client's system calls are what costs.
type lanes struct {
	client redis.UniversalClient

	mu      sync.Mutex
	hang    time.Duration // a batch that takes longer loses its lane
	flying  []*batch      // under way
	queue   []*batch      // not yet sent, the oldest first; only the last one takes more
	hung    int           // lanes that were given up and have not come back
	average int           // running average of the size of a value
}

func newLanes(client redis.UniversalClient) *lanes { return &lanes{client: client, hang: hangsAfter} }

func (l *lanes) hangsAfter(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hang = d
}

// get returns the answered GET of key.
func (l *lanes) get(ctx context.Context, limit time.Duration, key string) (*redis.StringCmd, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b, cmd, err := l.joinGet(key)
	if err != nil {
		return nil, err
	}
	return cmd, l.wait(ctx, limit, b)
}

// do returns when cmds, which belong together, are answered.
func (l *lanes) do(ctx context.Context, limit time.Duration, bytes int, cmds ...redis.Cmder) error {
	if err := ctx.Err(); err != nil || len(cmds) == 0 {
		return err
	}
	b, err := l.join(bytes, cmds)
	if err != nil {
		return err
	}
	return l.wait(ctx, limit, b)
}

func (l *lanes) joinGet(key string) (*batch, *redis.StringCmd, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.queue); n > 0 {
		if cmd := l.queue[n-1].find(key); cmd != nil {
			l.queue[n-1].waiting++
			return l.queue[n-1], cmd, nil
		}
	}
	b, err := l.open(1, l.average)
	if err != nil {
		return nil, nil, err
	}
	cmd := redis.NewStringCmd(context.Background(), "get", key)
	b.add(key, l.average, cmd)
	l.launch()
	return b, cmd, nil
}

func (l *lanes) join(bytes int, cmds []redis.Cmder) (*batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := l.open(len(cmds), bytes)
	if err != nil {
		return nil, err
	}
	b.add("", bytes, cmds...)
	l.launch()
	return b, nil
}

// open returns the batch that takes n more commands for one more caller.
func (l *lanes) open(n, bytes int) (*batch, error) {
	if len(l.queue) == 0 || !l.queue[len(l.queue)-1].takes(n, bytes) {
		if len(l.queue) >= maxQueue {
			l.forget()
		}
		if l.hung >= maxHung || len(l.queue) >= maxQueue {
			return nil, ErrBusy
		}
		l.queue = append(l.queue, newBatch())
	}
	b := l.queue[len(l.queue)-1]
	b.waiting++
	return b, nil
}

// launch starts lanes for what is queued while there are free ones.
func (l *lanes) launch() {
	if len(l.flying) >= maxLanes {
		l.giveUp()
	}
	for len(l.flying) < maxLanes {
		b := l.next()
		if b == nil {
			return
		}
		go l.lane(b)
	}
}

// giveUp frees the lanes whose batch takes too long: the client hangs, and what it holds up is a connection, not the
// callers that come later. Looking for them when a lane is needed spares a timer per batch.
func (l *lanes) giveUp() {
	now := time.Now()
	l.flying = slices.DeleteFunc(l.flying, func(b *batch) bool {
		if now.Sub(b.sentAt) <= l.hang {
			return false
		}
		b.hung = true
		l.hung++
		return true
	})
}

// forget drops batches that nobody waits for any more.
func (l *lanes) forget() {
	l.queue = slices.DeleteFunc(l.queue, func(b *batch) bool { return b.waiting == 0 })
}

// next takes the oldest batch that somebody waits for.
func (l *lanes) next() *batch {
	for len(l.queue) > 0 {
		b := l.queue[0]
		l.queue = slices.Delete(l.queue, 0, 1)
		if b.waiting > 0 {
			b.sentAt = time.Now()
			l.flying = append(l.flying, b)
			return b
		}
	}
	return nil
}

// lane sends b and then whatever was queued meanwhile.
func (l *lanes) lane(b *batch) {
	for b != nil {
		b.err = l.send(b)
		close(b.done)
		b = l.landed(b)
	}
}

// landed takes b off its lane and returns the lane's next batch; a lane that was given up ends.
func (l *lanes) landed(b *batch) *batch {
	bytes, values := b.received()
	l.mu.Lock()
	defer l.mu.Unlock()
	if values > 0 {
		l.average += (bytes/values - l.average) / 4
	}
	if b.hung {
		l.hung--
		return nil
	}
	l.flying = slices.DeleteFunc(l.flying, func(f *batch) bool { return f == b })
	return l.next()
}

// send executes b. An error of a single command is in the command.
func (l *lanes) send(b *batch) (err error) {
	defer func() {
		if p := recover(); p != nil { // go-redis panics on a bulk length that no memory holds
			err = fmt.Errorf("client panicked: %v\n%s", p, debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), l.patience())
	defer cancel()
	if len(b.cmds) == 1 {
		_ = l.client.Process(ctx, b.cmds[0]) // the command keeps its error
		return nil
	}
	pipe := l.client.Pipeline()
	_ = pipe.BatchProcess(ctx, b.cmds...) // only queues
	_, _ = pipe.Exec(ctx)                 // likewise
	return nil
}

func (l *lanes) patience() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hang
}

// wait returns when b is answered, or when the caller has to leave.
func (l *lanes) wait(ctx context.Context, limit time.Duration, b *batch) error {
	var over <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		l.leave(b)
		return ctx.Err()
	case <-over:
		l.leave(b)
		return context.DeadlineExceeded
	}
}

// leave withdraws one caller. A batch that all have left is not sent.
func (l *lanes) leave(b *batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.waiting--
}
