package invalidation

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxDebts bounds what is remembered of own purges. Beyond it one invalidation of everything stands for all of them.
	maxDebts = 10_000
	// recentFor is how long an own acknowledged purge is kept, for a log that may have lost it.
	recentFor = time.Minute
)

// debt is one own purge of one selector.
type debt struct {
	sequence uint64  // its place among own purges
	overdue  bool    // an append went wrong, so that the follower has to repeat it
	settled  instant // when it was acknowledged; used for recent ones only
}

// debts holds the latest own purge per record.
type debts map[Record]debt

// put keeps the later of two purges of the same record, and folds all into one when there are too many.
func (d debts) put(r Record, n debt) {
	n.sequence = max(n.sequence, d[r].sequence)
	if r.Selector != All && d[Record{Selector: All}].sequence >= n.sequence {
		delete(d, r) // A later purge of everything is under way, or overdue itself.
		return
	}
	d[r] = n
	if len(d) <= maxDebts {
		return
	}
	for _, o := range d {
		n.sequence = max(n.sequence, o.sequence)
	}
	n.overdue = true // Whatever stands in for appends that are under way is appended itself.
	clear(d)
	d[Record{Selector: All}] = n
}

// forget drops what was settled too long ago to matter.
func (d debts) forget(now instant) {
	for r, n := range d {
		if now.mono-n.settled.mono > int64(recentFor) {
			delete(d, r)
		}
	}
}

// pending holds the own purges that were not yet acknowledged. Requests read it without waiting for the core's mutex.
type pending struct {
	count atomic.Int64 // len(owed), to ask without the lock
	mu    sync.RWMutex
	owed  debts // guarded by mu
}

// state returns Invalid or Expired where a pending purge covers the stamp and began after its fill, else Valid.
func (p *pending) state(s *Stamp) State {
	if p.count.Load() == 0 {
		return Valid
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.covers(s, false) {
		return Invalid
	}
	if p.covers(s, true) {
		return Expired
	}
	return Valid
}

func (p *pending) covers(s *Stamp, soft bool) bool {
	if p.owed[Record{All, soft}].sequence > s.local {
		return true
	}
	for _, selector := range s.selectors {
		if p.owed[Record{selector, soft}].sequence > s.local {
			return true
		}
	}
	return false
}

func (p *pending) add(claims []claim, overdue bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range claims {
		p.owed.put(c.Record, debt{sequence: c.sequence, overdue: overdue})
	}
	p.count.Store(int64(len(p.owed)))
}

// settle removes the claims, except where the same record was purged again meanwhile.
func (p *pending) settle(claims []claim) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range claims {
		if p.owed[c.Record].sequence <= c.sequence {
			delete(p.owed, c.Record)
		}
	}
	p.count.Store(int64(len(p.owed)))
}

// overdue returns what the follower has to append.
func (p *pending) overdue() (claims []claim) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for r, n := range p.owed {
		if n.overdue {
			claims = append(claims, claim{r, n.sequence})
		}
	}
	return claims
}
