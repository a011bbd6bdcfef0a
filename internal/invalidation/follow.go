package invalidation

import "slices"

// record is one record of the log as a read returns it.
type record struct {
	id         id
	generation uint64 // 0 if the record is none of ours
	records    []Record
}

// query is one request of the follower: a read from a record inclusively, or one to see to an unbroken generation.
type query struct {
	renew  bool
	broken []uint64
	from   id // zero for the first record there is
	sent   instant
	acked  id // the highest own acknowledged id when it was sent
}

// reply is what the server answered.
type reply struct {
	history string
	records []record
	more    bool // there are more records after these
}

// outcome says what the follower does next. Without again, the log was followed to its tail.
type outcome struct {
	again bool // another query is due at once
	anew  bool // the log changed under the reading of the whole, which begins anew
	reset bool // another log took the place of the followed one: all that was stored is unusable
}

// next returns the query that is due.
func (c *core) next(now instant) query {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := query{renew: c.renew, from: c.read, sent: now, acked: c.acked}
	if c.renew {
		q.broken = slices.Clone(c.broken)
	}
	if c.scan != nil {
		q.from = c.scan.last
	}
	return q
}

// apply takes the answer to a query. Queries go out one at a time.
func (c *core) apply(q query, r reply, now instant) outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case q.renew:
		c.renew = false
		c.attach()
		return outcome{again: true}
	case c.renew:
		return outcome{again: true} // The log was found broken while the query was under way.
	case c.scan == nil:
		return c.follow(q, r, now)
	case c.scan.last != q.from:
		return outcome{again: true} // Attaching began anew while the query was under way.
	}
	return c.rescan(q, r, now)
}

// follow takes what came after the last record that was read, once the reply proves that nothing is missing between.
func (c *core) follow(q query, r reply, now instant) outcome {
	if c.keep(continuity) && !c.continues(r) {
		c.attach()
		return outcome{again: true}
	}
	for _, e := range r.records {
		c.enter(e.records, e.id)
		c.see(e.id)
		c.read = latest(c.read, e.id)
	}
	return c.arrive(q, r, now)
}

// continues says whether the reply is of the followed log and begins with the last record that was read from it.
func (c *core) continues(r reply) bool {
	log := c.view.Load().log
	if len(r.records) == 0 || r.records[0].id != c.read {
		return false
	}
	for _, e := range r.records {
		if !c.follows(log, Position{History: r.history, Generation: e.generation}) {
			return false
		}
	}
	return true
}

// arrive ends a read that was applied.
func (c *core) arrive(q query, r reply, now instant) outcome {
	if r.more && c.keep(heardAtTail) {
		return outcome{again: true}
	}
	if c.lost(q.acked) {
		c.breaks(c.view.Load().log.Generation)
		return outcome{again: true}
	}
	c.step()
	heard := q.sent
	if !c.keep(heardAtSending) {
		heard = now
	}
	c.heard.Store(&heard)
	return outcome{again: r.more}
}

// see strikes an id off the acknowledged ones that no read returned.
func (c *core) see(i id) {
	c.unseen = slices.DeleteFunc(c.unseen, func(u id) bool { return u == i })
}

// lost says whether a record is missing that was acknowledged before the read was sent.
func (c *core) lost(acked id) bool {
	return c.keep(ackSeen) && slices.ContainsFunc(c.unseen, func(u id) bool { return !acked.before(u) })
}

// tail returns the id of the last record that was read, unless the process is attaching.
func (c *core) tail() (id, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read, c.scan == nil
}

// followed says whether the log was followed to p, or to its tail by a read sent after since, beyond which no position can have been.
func (c *core) followed(p Position, since instant) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.view.Load()
	if v.log.Generation != 0 && v.log.sameLog(p) && !c.read.before(p.id()) {
		return true
	}
	return c.solo || c.heard.Load().mono >= since.mono
}
