package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Bounds of the lanes of one store.
const (
	maxLanes   = 4                    // batches under way at a time
	alone      = 2 * time.Millisecond // how long a batch is under way before another may be
	sparse     = 16                   // commands; a batch with fewer waits for what is about to come
	maxQueue   = 256                  // batches not yet sent
	maxHung    = 256                  // lanes given up whose client has not come back yet
	maxSpare   = 2 * maxLanes         // batches kept for use again
	hangsAfter = time.Second          // where no limit says how long a batch may take
)

// lanes send commands to Redis in batches. A command that comes while a batch is under way joins the last batch not yet sent. So
// nobody reads what is older than its own call, and one write and one read of the socket serve all commands of a batch; system calls
// are what a hit from Redis costs most. Fewer lanes make larger batches: of 64 clients, one lane sends 20 commands at a time and two
// send 7, which takes Redis twice as long. More than one is for a Redis that is far away, or hangs.
type lanes struct {
	client executor
	prompt bool          // client returns when its context ends
	raw    bool          // the client need not look at the reply to a GET
	limit  time.Duration // how long a call may take; 0: as long as its context says
	hang   time.Duration // a batch that takes longer loses its lane
	timers sync.Pool     // of *time.Timer, stopped; here, not global, for the sake of testing/synctest

	mu      sync.Mutex
	flying  []*batch // under way, the oldest first
	queue   []*batch // not yet sent, the oldest first; only the last one takes more
	spare   []*batch
	hung    int // lanes that were given up and have not come back
	average int // running average of the size of a value
}

func newLanes(client redis.UniversalClient, limit time.Duration) *lanes {
	l := &lanes{client: client, limit: limit, hang: hangsAfter}
	_, l.raw = client.(*redis.Client)
	if limit > 0 {
		l.hang = limit
		if c := heeding(client, limit); c != nil {
			l.client, l.prompt = c, prompt(client)
		}
	}
	return l
}

// get returns the value under key, or redis.Nil. keep says that the caller is going to keep the value.
func (l *lanes) get(ctx context.Context, key string, keep bool) (Value, error) {
	if err := ctx.Err(); err != nil {
		return Value{}, err
	}
	l.mu.Lock()
	b, g := l.queued(key)
	if g != nil {
		b.refs.Add(1)
		l.mu.Unlock()
		return l.value(ctx, b, g)
	}
	b, err := l.open(1, l.average)
	if err != nil {
		l.mu.Unlock()
		return Value{}, err
	}
	g = b.addGet(key, l.raw, keep)
	if l.dispatch(b) {
		l.lead(ctx, b)
	}
	return l.value(ctx, b, g)
}

// value waits for the answer to g.
func (l *lanes) value(ctx context.Context, b *batch, g *get) (Value, error) {
	defer l.release(b)
	if err := l.wait(ctx, b); err != nil {
		return Value{}, err
	}
	return g.value()
}

// do returns when cmds, which belong together, are answered, with the first error among them.
func (l *lanes) do(ctx context.Context, bytes int, cmds ...redis.Cmder) error {
	if err := ctx.Err(); err != nil || len(cmds) == 0 {
		return err
	}
	l.mu.Lock()
	b, err := l.open(len(cmds), bytes)
	if err != nil {
		l.mu.Unlock()
		return err
	}
	b.cmds = append(b.cmds, cmds...)
	if l.dispatch(b) {
		l.lead(ctx, b)
	}
	defer l.release(b)
	if err := l.wait(ctx, b); err != nil {
		return err
	}
	return failure(cmds)
}

// queued finds a GET that is not yet sent.
func (l *lanes) queued(key string) (*batch, *get) {
	if len(l.queue) == 0 {
		return nil, nil
	}
	b := l.queue[len(l.queue)-1]
	return b, b.find(key)
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
		l.queue = append(l.queue, l.newBatch())
	}
	b := l.queue[len(l.queue)-1]
	b.bytes += bytes
	b.refs.Add(1)
	return b, nil
}

func (l *lanes) newBatch() *batch {
	var b *batch
	if n := len(l.spare); n > 0 {
		b, l.spare = l.spare[n-1], l.spare[:n-1]
	} else {
		b = new(batch)
	}
	b.refs.Store(1) // the lane's
	return b
}

// forget drops batches that nobody waits for any more.
func (l *lanes) forget() {
	l.queue = slices.DeleteFunc(l.queue, func(b *batch) bool { return b.refs.Load() == 1 })
}

// dispatch sees to it that b, to which a caller has just added a command, is sent, and releases the lock. It returns true where the
// caller is to send b itself, which needs a free lane and a client that returns in time: a hand-off to another goroutine doubles
// what a lone request waits.
func (l *lanes) dispatch(b *batch) (lead bool) {
	defer l.mu.Unlock()
	first := l.launch()
	if first == b && l.prompt && b.done == nil { // else others wait for it, since before a lane was given up
		return true
	}
	if b.done == nil {
		b.done = make(chan struct{})
	}
	if first != nil {
		go l.lane(first)
	}
	return false
}

// launch takes the oldest batch, if there is a free lane for it.
func (l *lanes) launch() *batch {
	if n := len(l.flying); n > 0 {
		now := time.Now()
		if now.Sub(l.flying[n-1].sentAt) < alone {
			return nil
		}
		if l.giveUp(now); len(l.flying) >= maxLanes {
			return nil
		}
	}
	return l.next()
}

// giveUp frees the lanes whose batch takes too long: the client hangs, and what it holds up is a connection, not the
// callers that come later. Looking for them when a lane is needed spares a timer per batch.
func (l *lanes) giveUp(now time.Time) {
	l.flying = slices.DeleteFunc(l.flying, func(b *batch) bool {
		if now.Sub(b.sentAt) <= l.hang {
			return false
		}
		b.hung = true
		l.hung++
		return true
	})
}

// next takes the oldest batch that somebody waits for.
func (l *lanes) next() *batch {
	for len(l.queue) > 0 {
		b := l.queue[0]
		l.queue = slices.Delete(l.queue, 0, 1)
		if b.refs.Load() > 1 {
			b.sentAt = time.Now()
			l.flying = append(l.flying, b)
			return b
		}
	}
	return nil
}

// few reports whether hardly anybody waits for the next batch.
func (l *lanes) few() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) == 0 || len(l.queue[0].cmds) < sparse
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
