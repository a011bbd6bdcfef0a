package store

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Bounds of one batch. Redis answers a batch in one go, so a larger one makes its first caller wait for the last.
const (
	maxBatchCommands = 128
	maxBatchBytes    = 1 << 20
)

// batch is commands that go to Redis in one write. The lock of its lanes guards it until it is sent; from then until
// done the lane owns it; afterwards it is only read, until nobody refers to it and it is used again.
type batch struct {
	cmds   []redis.Cmder
	keys   []string           // keys[i] is what cmds[i] gets; "" where it is no GET
	gets   []*redis.StringCmd // GETs of this batch and of earlier uses: a command is half of a call's allocations
	used   int                // how many of gets are in cmds
	bytes  int                // what the batch carries or is expected to bring back
	refs   atomic.Int32       // the lane's, and one for each caller that still wants it
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
func (b *batch) find(key string) *redis.StringCmd {
	for i, k := range b.keys {
		if k == key {
			cmd, _ := b.cmds[i].(*redis.StringCmd)
			return cmd
		}
	}
	return nil
}

func (b *batch) add(cmds []redis.Cmder) {
	for _, cmd := range cmds {
		b.cmds = append(b.cmds, cmd)
		b.keys = append(b.keys, "")
	}
}

// addGet adds a GET, an earlier one with another key where there is one left.
func (b *batch) addGet(key string) *redis.StringCmd {
	if b.used == len(b.gets) {
		b.gets = append(b.gets, redis.NewStringCmd(context.Background(), "get", new(string)))
	}
	cmd := b.gets[b.used]
	b.used++
	setKey(cmd, key)
	b.cmds = append(b.cmds, cmd)
	b.keys = append(b.keys, key)
	return cmd
}

// setKey writes through the pointer that is the argument of the GET, which spares the allocation of an interface.
func setKey(get *redis.StringCmd, key string) {
	if p, ok := get.Args()[1].(*string); ok {
		*p = key
	}
}

// reset makes b as good as new. Nothing of its last use stays reachable but the commands themselves.
func (b *batch) reset() {
	for _, cmd := range b.gets[:b.used] {
		setKey(cmd, "")
		cmd.SetErr(nil)
		cmd.SetVal("")
	}
	clear(b.cmds)
	clear(b.keys)
	b.cmds, b.keys, b.used, b.bytes = b.cmds[:0], b.keys[:0], 0, 0
	b.hung, b.err, b.done = false, nil, nil
}

// received is the sum of the values that came back, and the number of GETs that brought one.
func (b *batch) received() (bytes, values int) {
	for _, cmd := range b.gets[:b.used] {
		if cmd.Err() == nil {
			bytes += len(cmd.Val())
			values++
		}
	}
	return bytes, values
}

// failure is the first error of commands.
func failure(cmds []redis.Cmder) error {
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil {
			return err
		}
	}
	return nil
}
