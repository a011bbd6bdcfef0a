package invalidation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Errors of Append, beside those of the client.
var (
	ErrClosed      = errors.New("invalidation: log closed")
	ErrUnreachable = errors.New("invalidation: log unreachable")
)

// Config says where the log is. The zero value is a log in this process.
type Config struct {
	Client  redis.UniversalClient // nil: the log is in this process, and nothing below but Prefix is used; never closed by the log
	Prefix  string                // the stream is "<Prefix>:invalidations"; "" means "larder"
	Lease   time.Duration         // how long the log may be out of reach before responses become unusable; 0 means 2 s
	Timeout time.Duration         // the most that Append waits; 0 means 100 ms
	MaxLen  int64                 // records kept, roughly; 0 means 100,000
	Logger  *slog.Logger          // nil: slog.Default()
	OnReset func()                // called in the log's goroutine when all that is stored became unusable, so that memory can be freed
}

func (c Config) withDefaults() Config {
	if c.Prefix == "" {
		c.Prefix = "larder"
	}
	if c.Lease <= 0 {
		c.Lease = 2 * time.Second
	}
	if c.Timeout <= 0 {
		c.Timeout = 100 * time.Millisecond
	}
	if c.MaxLen <= 0 {
		c.MaxLen = 100_000
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.OnReset == nil {
		c.OnReset = func() {}
	}
	return c
}

// Log is the invalidation log as one process sees it. Its methods may be called concurrently.
type Log struct {
	core   *core
	config Config
	stream *stream // nil: in process

	reads, appends *calls
	context        context.Context // of the background work
	cancel         context.CancelFunc
	background     sync.WaitGroup
	wake           chan struct{}
	rounds         signal // sent after each round that reached the tail
	wakes          wakes
	failures       atomic.Int64  // rounds that failed in a row
	closing        sync.RWMutex  // held for reading during an append
	closed         bool          // guarded by closing
	finished       chan struct{} // closed when nothing runs any more
	begun          sync.Once     // the first round
	nameless       sync.Once     // the warning that Redis does not say which server it is
	settled        chan struct{} // closed after it, well or not; before that nothing is usable but what this process filled
}

// New returns a log and starts to follow it. It does not wait for Redis, nor need it to be reachable.
func New(config Config) *Log {
	config = config.withDefaults()
	l := &Log{config: config, finished: make(chan struct{}), settled: make(chan struct{})}
	if config.Client == nil {
		l.core = newSolo(freshGeneration())
		close(l.settled)
		return l
	}
	l.core = newCore(config.Lease)
	l.stream = &stream{client: config.Client, key: config.Prefix + ":invalidations", maxLen: config.MaxLen, limit: readCount}
	l.reads, l.appends = newCalls(maxReads), newCalls(maxAppends)
	l.context, l.cancel = context.WithCancel(context.Background())
	l.wake = make(chan struct{}, 1)
	l.background.Go(l.follow)
	l.background.Go(l.listen)
	return l
}

// Note returns what a fill takes down before its handler runs.
func (l *Log) Note() Note { return l.core.note(time.Now()) }

// Usable judges a stored response for a request that arrived at a time with a monotonic reading. It neither waits nor allocates.
func (l *Log) Usable(s *Stamp, arrived time.Time) State {
	if l.stream == nil {
		return l.core.usable(s, instant{}) // there is no lease: both clocks are 8 ns
	}
	return l.core.usable(s, at(arrived))
}

// JoinAllowed says whether a request may wait for a flight whose handler began at the given time. If not it looks into memory again and
// starts a flight of its own.
func (l *Log) JoinAllowed(began, arrived time.Time) bool {
	return l.core.joinable(at(began), at(arrived))
}

// Append invalidates what the records select, as one record of the log per call. From the moment it is called this process uses nothing
// older. When it returns nil, no process uses anything older for a request that arrives later than the lease. After an error, which may
// be ErrClosed, ErrUnreachable or the client's, the background repeats the append until the log takes it (except after Close).
func (l *Log) Append(ctx context.Context, records ...Record) (Position, error) {
	if len(records) == 0 {
		return l.Note().Position, nil
	}
	if l.stream == nil {
		return l.core.appendHere(records), nil
	}
	return l.append(ctx, records)
}

// append may have no records: then it invalidates nothing.
func (l *Log) append(ctx context.Context, records []Record) (Position, error) {
	l.closing.RLock()
	defer l.closing.RUnlock()
	p := l.core.begin(records)
	if l.closed {
		return Position{}, ErrClosed
	}
	if l.failures.Load() >= tolerated {
		l.core.fail(p)
		return Position{}, ErrUnreachable
	}
	l.Await(ctx) // a purge that is acknowledged before the first reading would be appended twice
	position, err := l.send(ctx, p, l.config.Timeout)
	if err != nil {
		l.hurry()
		return Position{}, fmt.Errorf("invalidation: append: %w", err)
	}
	return position, nil
}

// Await waits for the end of the first reading of the log, well or not, for Timeout at most.
func (l *Log) Await(ctx context.Context) {
	select {
	case <-l.settled:
		return
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, l.config.Timeout)
	defer cancel()
	select {
	case <-l.settled:
	case <-ctx.Done():
	}
}

// Wait returns true once the log was followed to p, and false when ctx ends, or the log is closed, before that. A position that is not
// of the log, or beyond its head, counts as the head at the time of the call.
func (l *Log) Wait(ctx context.Context, p Position) bool {
	since := at(time.Now())
	for {
		next := l.rounds.next()
		if l.core.followed(p, since) {
			return true
		}
		l.hurry()
		select {
		case <-next:
		case <-ctx.Done():
			return false
		case <-l.context.Done():
			return false
		}
	}
}

// Close stops following the log. It waits for its goroutines, though not longer than a second for a client that does not answer.
// Afterwards stored responses become unusable as the lease runs out. It may be called again.
func (l *Log) Close() {
	if l.stream == nil {
		return
	}
	l.closing.Lock()
	first := !l.closed
	l.closed = true
	l.closing.Unlock()
	if first {
		l.cancel()
		go l.drain()
	}
	select {
	case <-l.finished:
	case <-time.After(closeWait):
	}
}

func (l *Log) drain() {
	l.background.Wait()
	l.reads.running.Wait()
	l.appends.running.Wait()
	close(l.finished)
}
