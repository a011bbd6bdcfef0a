package invalidation

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// The simulated servers do what the two scripts do in Redis; TestScriptsMatchModel holds the two against each other.

// node is one Redis: the primary or a replica. What it holds is the log alone.
type node struct {
	w       *world
	history string
	log     *simLog // nil: no such key
	skew    time.Duration
	up      bool
	primary bool // a replica, and a primary without replicas, refuses writes and so reads of the log
}

type simLog struct {
	records []record
	last    id // survives trimming
}

var errRefused = errors.New("READONLY or NOREPLICAS")

// readLimit is small, so that reads come in parts as those of a long log do.
const readLimit = 4

func (n *node) answers() error {
	if !n.up || !n.primary && n.w.rules.keep(provenByWrite) {
		return errRefused
	}
	return nil
}

func (n *node) append(records []Record, broken []uint64) (Position, error) {
	if !n.up || !n.primary {
		return Position{}, errRefused
	}
	var generation uint64
	if n.log != nil && len(n.log.records) > 0 {
		generation = n.log.records[len(n.log.records)-1].generation
	}
	if generation == 0 || slices.Contains(broken, generation) {
		generation = n.w.freshGeneration()
		n.add(record{generation: generation})
	}
	if records != nil {
		n.add(record{generation: generation, records: records})
	}
	last := n.log.records[len(n.log.records)-1].id
	return Position{n.name(), generation, last.millis, last.seq}, nil
}

func (n *node) add(r record) {
	if n.log == nil {
		n.log = &simLog{}
	}
	r.id = id{uint64((n.w.now + n.skew).Milliseconds()), 0}
	if r.id.millis <= n.log.last.millis {
		r.id = id{n.log.last.millis, n.log.last.seq + 1}
	}
	n.log.last = r.id
	n.log.records = append(slices.Clip(n.log.records), r)
}

func (n *node) read(from id) (reply, error) {
	if err := n.answers(); err != nil {
		return reply{}, err
	}
	r := reply{history: n.name()}
	if n.log == nil {
		return r, nil
	}
	for _, e := range n.log.records {
		if !e.id.before(from) && len(r.records) < readLimit {
			r.records = append(r.records, e)
		}
	}
	r.more = len(r.records) == readLimit
	return r, nil
}

// name is the history, which a log's user without the right to INFO does not learn.
func (n *node) name() string {
	if n.w.profile.nameless {
		return ""
	}
	return n.history
}

func (n *node) trim(keep int) {
	if n.log != nil {
		n.log = &simLog{n.log.records[max(0, len(n.log.records)-keep):], n.log.last}
	}
}

// copyFrom makes a replica what its primary is now.
func (n *node) copyFrom(p *node) {
	n.log, n.history = nil, p.history
	if p.log != nil {
		n.log = &simLog{slices.Clip(p.log.records), p.log.last}
	}
}

// loseEnd restarts a server from what it had on disk.
func (n *node) loseEnd(records int) {
	n.history = n.w.freshHistory()
	if n.log == nil || len(n.log.records) <= records {
		n.log = nil
		return
	}
	kept := n.log.records[:len(n.log.records)-records]
	n.log = &simLog{slices.Clip(kept), kept[len(kept)-1].id}
}

func (w *world) freshHistory() string {
	w.histories++
	return fmt.Sprintf("history-%d", w.histories)
}

func (w *world) freshGeneration() uint64 {
	if !w.rules.keep(newGeneration) {
		return 1
	}
	return w.random.Uint64() | 1
}
