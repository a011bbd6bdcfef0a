package invalidation

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	maxReads   = 8   // reads under way, most of them given up
	maxAppends = 128 // appends under way
	tolerated  = 3   // rounds that may fail in a row before Append no longer tries by itself
	closeWait  = time.Second
	minPeriod  = time.Millisecond
	maxScans   = 3                      // readings of the whole log in a round, where it changes under each
	maxBlock   = 500 * time.Millisecond // because nothing tells a blocked read that its stream was deleted
)

// period is the time between two rounds: a quarter of the lease, so that one that fails does no harm. A lease too short for that makes
// misses.
func (l *Log) period() time.Duration { return max(l.config.Lease/4, minPeriod) }

// follow runs rounds, at least one per period.
func (l *Log) follow() {
	ticker := time.NewTicker(l.period())
	defer ticker.Stop()
	for {
		l.round()
		select {
		case <-l.context.Done():
			l.repeat(context.Background()) // what is overdue has no other chance
			return
		case <-ticker.C:
		case <-l.wake:
		}
	}
}

// round reads the log to its tail and repeats what is overdue.
func (l *Log) round() {
	err := l.readAll()
	l.begun.Do(func() {
		if err == nil {
			l.config.Logger.Info("larder: invalidation log followed", "key", l.stream.key)
		}
		close(l.settled)
	})
	if err == nil {
		l.report(l.failures.Swap(0), nil)
		l.rounds.send()
		l.warnNameless()
		l.repeat(l.context)
	} else if l.context.Err() == nil {
		l.report(l.failures.Add(1)-1, err)
		l.relocate()
	}
}

// warnNameless warns once where the server's history is not known, so that a failover may pass unnoticed.
func (l *Log) warnNameless() {
	if l.core.view.Load().log.History != "" {
		return
	}
	l.nameless.Do(func() {
		l.config.Logger.Warn("larder: Redis does not say which server it is, a failover may go unnoticed", "key", l.stream.key,
			"cure", "allow INFO (+info) to the client's user: docs/invalidation.md says under Limits what is at stake")
	})
}

// relocate makes the client of a cluster look for its servers again, in the background. By itself it does so once a minute, or
// where a server redirects it, which one that is gone does not.
func (l *Log) relocate() {
	if c, ok := l.config.Client.(interface{ ReloadState(context.Context) }); ok {
		c.ReloadState(l.context)
	}
}

// report logs changes of state only: the first failed round, and the first good one after that.
func (l *Log) report(failed int64, err error) {
	switch {
	case err != nil && failed == 0:
		l.config.Logger.Warn("larder: invalidation log out of reach", "key", l.stream.key, "error", err, Cure(err))
	case err == nil && failed > 0:
		l.config.Logger.Info("larder: invalidation log followed again", "key", l.stream.key, "failed_rounds", failed)
	}
}

// errChanging ends a round, for the next one to try: a proxy before two servers, say, may lead to another log with each reply.
var errChanging = errors.New("invalidation: log changes while it is read")

// readAll asks until the core has no further question.
func (l *Log) readAll() error {
	scans := 0
	for {
		q := l.core.next(at(time.Now()))
		r, err := call(l.context, l.reads, l.period(), func(ctx context.Context) (reply, error) {
			if q.renew {
				_, err := l.stream.append(ctx, nil, q.broken)
				return reply{}, err
			}
			return l.stream.read(ctx, q.from)
		})
		if err != nil {
			return err
		}
		done := l.core.apply(q, r, at(time.Now()))
		if done.reset {
			l.replaced()
		}
		if done.anew {
			scans++
		}
		switch {
		case !done.again:
			return nil
		case scans == maxScans:
			return errChanging
		}
	}
}

// replaced is for when another log took the place of the followed one. In the first round there was none, and nothing to tell.
func (l *Log) replaced() {
	select {
	case <-l.settled:
		l.config.Logger.Warn("larder: invalidation log erased or replaced, what was stored before is unusable", "key", l.stream.key)
	default:
	}
	l.config.OnReset()
}

// repeat appends the purges that went wrong; those that go wrong again are left for the next round. Nobody waits for it, so it may take
// as long as a read. With Timeout alone, a log that answers reads but is slower than that would get the same purges in each round, and
// settle none.
func (l *Log) repeat(ctx context.Context) {
	if p, ok := l.core.again(); ok {
		if _, err := l.send(ctx, p, max(l.period(), l.config.Timeout)); err == nil {
			l.config.Logger.Info("larder: overdue invalidations appended", "key", l.stream.key, "records", len(p.claims))
		}
	}
}

// send appends a purge, for which it has d, and tells the core how that ended.
func (l *Log) send(ctx context.Context, p purge, d time.Duration) (Position, error) {
	position, err := call(ctx, l.appends, d, func(ctx context.Context) (Position, error) {
		return l.stream.append(ctx, p.records(), p.broken)
	})
	if err != nil {
		l.core.fail(p)
		return Position{}, err
	}
	return position, l.core.settle(p, position, at(time.Now()))
}

// hurry asks for a round now.
func (l *Log) hurry() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// listen asks for a round when the log grows. Rounds come without it too, only later: with a pool of one connection, which all other
// calls would have to wait for, it does not listen.
func (l *Log) listen() {
	if poolSize(l.config.Client) == 1 {
		return
	}
	for l.context.Err() == nil {
		next := l.rounds.next()
		after, ok := l.core.tail()
		grown, err := false, error(nil)
		if ok {
			grown, err = call(l.context, l.reads, maxBlock+l.period(), func(ctx context.Context) (bool, error) {
				return l.stream.block(ctx, after, maxBlock)
			})
		}
		if grown {
			l.hurry()
		}
		if grown || err != nil || !ok {
			l.idle(next)
		}
	}
}

// poolSize is how many connections a client may have (to each server, if it knows several), or 0 for a client of another kind.
func poolSize(client redis.UniversalClient) int {
	switch c := client.(type) {
	case *redis.Client:
		return connections(c.Options().PoolSize, c.Options().MaxActiveConns)
	case *redis.ClusterClient:
		return connections(c.Options().PoolSize, c.Options().MaxActiveConns)
	case *redis.Ring:
		return connections(c.Options().PoolSize, c.Options().MaxActiveConns)
	}
	return 0
}

// connections is how many a pool of a size may have where another option, which may be 0, bounds it too.
func connections(size, most int) int {
	if most > 0 {
		return min(size, most)
	}
	return size
}

// idle waits for the end of a round, or for a period when none comes to an end.
func (l *Log) idle(next <-chan struct{}) {
	timer := time.NewTimer(l.period())
	defer timer.Stop()
	select {
	case <-next:
	case <-timer.C:
	case <-l.context.Done():
	}
}

// signal wakes all that wait for the next of something. The zero value is ready.
type signal struct {
	mu sync.Mutex
	ch chan struct{} // guarded by mu
}

// next returns a channel that the next send closes.
func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) send() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}
