package invalidation

import "slices"

// scan is the reading of a whole log, in as many replies as that takes.
type scan struct {
	history     string
	view        *view // of the last generation seen so far
	first, last id
	sawRead     bool // the record that was last followed to is still there
}

func newScan() *scan { return &scan{view: newView()} }

// rescan takes one reply, and attaches when the tail is reached.
func (c *core) rescan(q query, r reply, now instant) outcome {
	s := c.scan
	if !s.extends(r) {
		c.attach() // the log changed under the scan, which begins anew
		return outcome{again: true, anew: true}
	}
	for _, e := range r.records {
		s.add(e)
		s.sawRead = s.sawRead || e.id == c.read
		c.see(e.id)
	}
	if r.more {
		return outcome{again: true}
	}
	generation := s.view.log.Generation
	if generation == 0 || slices.Contains(c.broken, generation) {
		c.renew = true
		return outcome{again: true}
	}
	return c.finish(q, r, now)
}

// extends says whether the reply goes on where the scan is.
func (s *scan) extends(r reply) bool {
	if s.last == (id{}) {
		s.history = r.history
		return true
	}
	return r.history == s.history && len(r.records) > 0 && r.records[0].id == s.last
}

func (s *scan) add(e record) {
	if s.first == (id{}) {
		s.first = e.id
	}
	if e.generation != s.view.log.Generation {
		s.view = newView()
		s.view.log.Generation, s.view.horizon = e.generation, e.id
	}
	s.view.raise(e.records, e.id)
	s.last = e.id
}

// finish attaches to the log that was scanned, or finds that it lost records.
func (c *core) finish(q query, r reply, now instant) outcome {
	s, old := c.scan, c.view.Load()
	s.view.log.History = s.history
	same := old.log.Generation != 0 && c.follows(old.log, s.view.log)
	if same && !s.sawRead && !c.read.before(s.first) && c.keep(breakLost) {
		c.breaks(s.view.log.Generation)
		return outcome{again: true}
	}
	if !same && c.strayed(s.view.log) && c.keep(neverBack) {
		c.breaks(s.view.log.Generation)
		return outcome{again: true}
	}
	c.scan = nil
	if same {
		c.resume(s, old)
	} else {
		c.replace(s, now)
	}
	c.version.Add(1)
	done := c.arrive(q, r, now)
	done.reset = !same
	return done
}

// resume goes on with the same log, of which some records may have been trimmed before they were read.
func (c *core) resume(s *scan, old *view) {
	old.hard.merge(s.view.hard)
	old.soft.merge(s.view.soft)
	c.unseen = slices.DeleteFunc(c.unseen, func(u id) bool { return u.before(s.first) })
	v := *old
	v.horizon = s.view.horizon
	c.read = s.last
	c.step()
	c.view.Store(&v)
}

// replace goes on with another log. Own purges that only the old one had become pending before the new one is in sight.
func (c *core) replace(s *scan, now instant) {
	if c.keep(repeatRecent) {
		c.repeat(now)
	}
	c.leave(c.view.Load().log)
	c.read, c.acked, c.unseen = s.last, id{}, nil
	c.step()
	c.view.Store(s.view)
}

// maxLeft logs are remembered: a client goes to and fro between two servers, or a few.
const maxLeft = 8

// leave remembers a log that gives way to another one.
func (c *core) leave(log Position) {
	if log.Generation != 0 {
		c.left = append(c.left, log)
		c.left = c.left[max(0, len(c.left)-maxLeft):]
	}
}

// strayed says whether this process left the log for another one: purges that went there meanwhile are missing from it, so that what
// it was stored with must not come back.
func (c *core) strayed(log Position) bool { return slices.ContainsFunc(c.left, log.sameLog) }
