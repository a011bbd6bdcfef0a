package store

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Bounds of one batch. Its first caller waits until all of it is answered, and a large one does not fit into the processor's
// caches: with values of 64 KiB, batches of 1 MiB take a fifth more CPU than batches of 256 KiB.
const (
	maxBatchCommands = 64
	maxBatchBytes    = 256 << 10
)

// batch is commands that go to Redis in one write. The lock of its lanes guards it until it is sent; from then until
// done the lane owns it; afterwards it is only read, until nobody refers to it and it is used again.
type batch struct {
	cmds   []redis.Cmder
	gets   []*get       // GETs of this batch and of earlier uses
	used   int          // how many of gets are in cmds
	bytes  int          // what the batch carries or is expected to bring back
	refs   atomic.Int32 // the lane's, and one for each caller that still wants it
	clock  *deadline
	sentAt time.Time
	hung   bool          // its lane was given up
	err    error         // why it was not answered at all
	done   chan struct{} // closed when every command is answered
}

// takes reports whether n more commands and their bytes fit. An empty batch takes anything.
func (b *batch) takes(n, bytes int) bool {
	return len(b.cmds) == 0 || len(b.cmds)+n <= maxBatchCommands && b.bytes+bytes <= maxBatchBytes
}

// find returns the GET of a key that is already in the batch. A batch is short, so that this costs less than a map.
func (b *batch) find(key string) *get {
	for _, g := range b.gets[:b.used] {
		if *g.key == key {
			return g
		}
	}
	return nil
}

// addGet adds a GET of key. If one from an earlier use of the batch is left, it takes that.
func (b *batch) addGet(key string, raw, keep bool) *get {
	if b.used == len(b.gets) {
		b.gets = append(b.gets, newGet(raw))
	}
	g := b.gets[b.used]
	b.used++
	g.ask(key, keep)
	b.cmds = append(b.cmds, g.cmd)
	return g
}

// begin returns the context of the call that executes b.
func (b *batch) begin(until time.Time) *deadline {
	if b.clock == nil {
		b.clock = newDeadline()
	}
	b.clock.start(until)
	return b.clock
}

// end stops that context once the call is over.
func (b *batch) end() {
	if !b.clock.stop() {
		b.clock = nil
	}
}

// reset makes b as good as new. Nothing of its last use stays reachable but the commands themselves.
func (b *batch) reset() {
	for _, g := range b.gets[:b.used] {
		g.reset()
	}
	clear(b.cmds)
	b.cmds, b.used, b.bytes = b.cmds[:0], 0, 0
	b.hung, b.err, b.done = false, nil, nil
}

// received is the sum of the values that came back, and the number of GETs that brought one.
func (b *batch) received() (bytes, values int) {
	for _, g := range b.gets[:b.used] {
		if n := g.size(); n > 0 {
			bytes += n
			values++
		}
	}
	return bytes, values
}

// failure returns the first error among commands. redis.Nil is none: it only says that a key is absent.
func failure(cmds []redis.Cmder) error {
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}
