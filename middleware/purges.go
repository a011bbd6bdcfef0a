package middleware

import (
	"context"
	"sync"

	"github.com/larderhq/larder/internal/invalidation"
)

const (
	// purgeRate is how many writes to the log a second the unsafe requests of a cache may cause, each for itself.
	purgeRate = 200
	// purgeBatch is how many selectors go into one record beyond that; with more, everything is invalidated.
	purgeBatch = 512
)

// purges keep anonymous writes from flooding the log: beyond a rate they go together, one record at a time. The zero value is
// ready. The lock guards all fields; nobody writes to the log while holding it.
type purges struct {
	mu     sync.Mutex
	second int64
	used   int
	next   *batch
	flying *batch
}

// batch is one record of purges by several requests.
type batch struct {
	selectors map[invalidation.Selector]bool
	done      chan struct{}
	err       error
}

// admit reports whether a purge may be a record of its own.
func (p *purges) admit(second int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.second != second {
		p.second, p.used = second, 0
	}
	p.used++
	return p.used <= purgeRate && p.flying == nil
}

// join adds selectors to the next batch, and reports whether the caller sends it.
func (p *purges) join(selectors []invalidation.Selector) (b *batch, previous *batch, sends bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		p.next, sends = &batch{selectors: make(map[invalidation.Selector]bool), done: make(chan struct{})}, true
	}
	for _, s := range selectors {
		p.next.selectors[s] = true
	}
	return p.next, p.flying, sends
}

// take makes the next batch the one under way: nobody joins it any more.
func (p *purges) take() []invalidation.Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.next
	p.next, p.flying = nil, b
	if len(b.selectors) > purgeBatch {
		return []invalidation.Record{{Selector: invalidation.All}}
	}
	records := make([]invalidation.Record, 0, len(b.selectors))
	for s := range b.selectors {
		records = append(records, invalidation.Record{Selector: s})
	}
	return records
}

func (p *purges) land(b *batch, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b.err = err
	if p.flying == b {
		p.flying = nil
	}
	close(b.done)
}

// purgeTogether appends the selectors in a batch with those of other requests.
func (c *Cache) purgeTogether(ctx context.Context, selectors []invalidation.Selector) error {
	b, previous, sends := c.purges.join(selectors)
	if !sends {
		<-b.done // its sender is bounded by the store time-out
		return b.err
	}
	if previous != nil {
		<-previous.done
	}
	_, err := c.log.Append(ctx, c.purges.take()...)
	c.purges.land(b, err)
	return err
}
