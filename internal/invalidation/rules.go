package invalidation

import "time"

// rule names one rule of the protocol. Nothing leaves a rule out but the model test, which shows that each is missed.
type rule uint32

const (
	sameHistory      rule = 1 << iota // a stored id is judged within its own server history
	sameGeneration                    // and within its own generation
	followHistory                     // a log of another history is another log
	followGeneration                  // and so is one of another generation
	continuity                        // a read proves itself by returning the record it starts from
	aboveHorizon                      // nothing older than the first record of the generation is usable
	pendingCovers                     // a purge counts in its process before it is acknowledged
	indexOwn                          // an acknowledged purge enters the index before it stops being pending
	ackFollowed                       // only an acknowledgement in the followed log settles a purge
	ackAbove                          // an acknowledged id is above all that was known when it was sent for
	ackSeen                           // an acknowledged id turns up in the next read
	breakLost                         // a log that lost a record gets a new generation
	newGeneration                     // a log that begins again gets a new generation
	neverBack                         // a log that was left for another gets a new generation before it is followed again
	repeatRecent                      // own purges of the last minute are appended again to a log that replaced the followed one
	leaseHolds                        // nothing is usable without hearing of the log for longer than the lease
	heardAtSending                    // the log was heard of when the read was sent, not when it was answered
	heardAtTail                       // only a read that reached the tail counts
	wallClock                         // time that the monotonic clock missed counts
)

// rules is the set of rules that a core keeps: all of them but those left out.
type rules struct{ leftOut rule }

func (r rules) keep(x rule) bool { return r.leftOut&x == 0 }

// judges says whether the index of a log may judge a stored position.
func (r rules) judges(log, stored Position) bool {
	return (log.History == stored.History || !r.keep(sameHistory)) && (log.Generation == stored.Generation || !r.keep(sameGeneration))
}

// follows says whether records of the one log go on where those of the other ended.
func (r rules) follows(a, b Position) bool {
	return (a.History == b.History || !r.keep(followHistory)) && (a.Generation == b.Generation || !r.keep(followGeneration))
}

// within says whether b is at most d before a.
func (r rules) within(a, b instant, d time.Duration) bool {
	if !r.keep(wallClock) {
		a.wall, b.wall = a.mono, b.mono
	}
	return a.since(b) <= d
}
