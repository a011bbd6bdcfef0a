package store

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// Bounds of one batch. Redis answers a batch in one write, so a larger one makes its first caller wait for the last.
const (
	maxBatchCommands = 128
	maxBatchBytes    = 1 << 20
)

// batch is commands that go to Redis in one write. The lock of its lanes guards it until it is sent; after done is
// closed its commands only are read.
type batch struct {
	cmds    []redis.Cmder
	keys    []string // keys[i] is what cmds[i] gets; "" where it is no GET
	bytes   int      // what the batch carries or is expected to bring back
	waiting int      // callers that still want it
	sentAt  time.Time
	hung    bool          // its lane was given up
	err     error         // why it was not answered at all
	done    chan struct{} // closed when every command is answered
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

// takes reports whether n more commands and their bytes fit. An empty batch takes anything.
func (b *batch) takes(n, bytes int) bool {
	return len(b.cmds) == 0 || len(b.cmds)+n <= maxBatchCommands && b.bytes+bytes <= maxBatchBytes
}

// find returns the GET of a key that is already in the batch. A batch is short, so that this costs less than a map.
func (b *batch) find(key string) *redis.StringCmd {
	for i, k := range b.keys {
		if k == key {
			cmd, _ := b.cmds[i].(*redis.StringCmd)
			return cmd
		}
	}
	return nil
}

func (b *batch) add(key string, bytes int, cmds ...redis.Cmder) {
	for _, cmd := range cmds {
		b.cmds = append(b.cmds, cmd)
		b.keys = append(b.keys, key)
	}
	b.bytes += bytes
}

// received is the sum of the values that came back, and the number of GETs that brought one.
func (b *batch) received() (bytes, values int) {
	for _, cmd := range b.cmds {
		if get, ok := cmd.(*redis.StringCmd); ok && get.Err() == nil {
			bytes += len(get.Val())
			values++
		}
	}
	return bytes, values
}
