package invalidation

import (
	"errors"
	"slices"
)

// claim is one record of a purge with the purge's place among own purges.
type claim struct {
	Record
	sequence uint64
}

// purge is an append on its way.
type purge struct {
	claims []claim
	sentTo Position // the followed log, with the highest id known in it
	broken []uint64
}

// errRolledBack is an acknowledgement for an id that was known before: the log lost its end.
var errRolledBack = errors.New("log lost records")

func (p purge) records() []Record {
	records := make([]Record, len(p.claims))
	for i, c := range p.claims {
		records[i] = c.Record
	}
	return records
}

// begin takes the next local sequence number for an own purge, which from here on counts in this process.
func (c *core) begin(records []Record) purge {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sequence++
	claims := make([]claim, len(records))
	for i, r := range records {
		claims[i] = claim{r, c.sequence}
	}
	c.owed.add(claims, false)
	c.step()
	c.version.Add(1)
	return c.send(claims)
}

// again returns the purges that have to be appended once more.
func (c *core) again() (p purge, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	claims := c.owed.overdue()
	return c.send(claims), len(claims) > 0
}

func (c *core) send(claims []claim) purge {
	return purge{claims: claims, sentTo: c.place(latest(c.read, c.acked)), broken: slices.Clone(c.broken)}
}

// fail leaves a purge pending, for the follower to repeat.
func (c *core) fail(p purge) { c.owed.add(p.claims, true) }

// settle takes the acknowledgement of a purge. It stays pending unless it was acknowledged in the followed log.
func (c *core) settle(p purge, ack Position, now instant) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	log := c.view.Load().log
	if !log.sameLog(ack) && c.keep(ackFollowed) {
		if c.scan == nil {
			c.attach()
		}
		c.fail(p)
		return nil
	}
	if p.sentTo.sameLog(ack) && !p.sentTo.id().before(ack.id()) && c.keep(ackAbove) {
		c.breaks(ack.Generation)
		c.fail(p)
		return errRolledBack
	}
	if c.keep(indexOwn) {
		c.enter(p.records(), ack.id())
	}
	c.step()
	c.acknowledge(ack.id())
	c.owed.settle(p.claims)
	c.version.Add(1)
	c.recent.forget(now)
	for _, own := range p.claims {
		c.recent.put(own.Record, debt{sequence: own.sequence, settled: now})
	}
	return nil
}

func (c *core) acknowledge(i id) {
	c.acked = latest(c.acked, i)
	if c.read.before(i) {
		c.unseen = append(c.unseen, i)
	}
}

// maxBroken generations are remembered: more than one matters only if the log is rolled back again and again.
const maxBroken = 8

// breaks marks a generation as one whose log lost records, so that no position in it can be trusted.
func (c *core) breaks(generation uint64) {
	if !slices.Contains(c.broken, generation) {
		c.broken = append(c.broken, generation)
		c.broken = c.broken[max(0, len(c.broken)-maxBroken):]
	}
	c.renew = true
	c.attach()
}

// attach makes the follower read the whole log before it trusts it again.
func (c *core) attach() { c.scan = newScan() }

// repeat makes the recent own purges pending again: the log that acknowledged them is gone.
func (c *core) repeat(now instant) {
	c.recent.forget(now)
	for r, n := range c.recent {
		c.owed.add([]claim{{r, n.sequence}}, true)
	}
	clear(c.recent)
}
