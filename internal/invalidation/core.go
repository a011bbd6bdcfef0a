package invalidation

import (
	"sync"
	"sync/atomic"
	"time"
)

// core is the protocol without I/O: it says what to send, takes the replies with readings of the clock, and judges stamps.
//
// Requests judge without its mutex, so the order of stores matters. A change enters the index (or the pending purges) first, then version
// goes up, then heard is stored. A judgement loads them the other way round and remembers the version it loaded first. Either
// reversal lets a request remember an old judgement for a new version, or believe that it heard of a record that it did not look at.
type core struct {
	rules
	lease time.Duration
	solo  bool // the log lives in this process: there is nothing to hear

	heard   atomic.Pointer[instant] // when the last read that reached the tail was sent
	version atomic.Uint64           // goes up with each change of view, its indexes and owed; from 1, so that no zero memo is current
	view    atomic.Pointer[view]
	owed    pending

	mu       sync.Mutex // guards what follows, and writing the above
	read     id         // the log was followed to here
	acked    id         // the highest id acknowledged to this process in the followed log
	unseen   []id       // acknowledged ids that no read returned yet
	sequence uint64     // own purges begun
	recent   debts      // own purges acknowledged in the last minute
	broken   []uint64   // generations known to have lost records, the last few
	left     []Position // logs that others took the place of, the last few
	renew    bool       // the next request is to see to an unbroken generation
	scan     *scan      // not nil: attaching

	pause func() // tests only: called between the steps whose order matters
}

func newCore(lease time.Duration) *core {
	c := &core{lease: lease, owed: pending{owed: debts{}}, recent: debts{}, scan: newScan()}
	c.heard.Store(&never)
	c.view.Store(newView())
	c.version.Store(1)
	return c
}

// newSolo returns a core whose log is a counter in this process, of a generation that no earlier life of it had.
func newSolo(generation uint64) *core {
	c := newCore(0)
	v := newView()
	v.log = Position{Generation: generation}
	c.view.Store(v)
	c.solo, c.scan = true, nil
	return c
}

// note returns what a fill that began at the given time takes down.
func (c *core) note(began time.Time) Note {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Note{Position: c.place(latest(c.read, c.acked)), Local: c.sequence, Began: began}
}

// place is a position in the followed log.
func (c *core) place(i id) Position {
	p := c.view.Load().log
	p.Millis, p.Seq = i.millis, i.seq
	return p
}

// usable judges a stored response for a request that arrived at a.
func (c *core) usable(s *Stamp, a instant) State {
	heard := c.heard.Load()
	c.step()
	version := c.version.Load()
	state, known := s.recall(version)
	if !known {
		state = c.judge(s)
		s.remember(version, state)
	}
	if state == Invalid || !c.fresh(a, *heard, s.began) {
		return Invalid
	}
	return state
}

// judge looks at the pending purges before the index, into which they move.
func (c *core) judge(s *Stamp) State {
	owed := Valid
	if c.keep(pendingCovers) {
		owed = c.owed.state(s)
	}
	c.step()
	state := min(owed, c.view.Load().state(s, c.rules))
	c.step()
	return state
}

// fresh says whether a request that arrived at a may rely on what was known at heard, or read by a handler that began here.
func (c *core) fresh(a, heard, began instant) bool {
	return c.solo || !c.keep(leaseHolds) || c.within(a, heard, c.lease) || c.within(a, began, c.lease)
}

// joinable says whether a request may wait for a flight.
func (c *core) joinable(began, a instant) bool { return c.fresh(a, *c.heard.Load(), began) }

// step lets a test interleave another goroutine's work.
func (c *core) step() {
	if c.pause != nil {
		c.pause()
	}
}

// appendHere is the whole of an append to the log in this process.
func (c *core) appendHere(records []Record) Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sequence++
	c.read.millis++
	c.enter(records, c.read)
	return c.place(c.read)
}

// enter writes records into the index and lets every stamp be judged again.
func (c *core) enter(records []Record, at id) {
	if c.view.Load().raise(records, at) {
		c.step()
		c.version.Add(1)
	}
}
