package store

import (
	"bytes"
	"math/bits"
	"sync"
	"sync/atomic"
)

// Which buffers are used again, by the logarithm of their size. Larger ones are left to the garbage collector.
const (
	minBuffer = 10
	maxBuffer = 21
)

// buffers are free. A handler that answers with 64 KiB from Redis spends half of its time on making and collecting memory
// for them: it is not system calls that large values cost.
var buffers [maxBuffer - minBuffer + 1]sync.Pool

// Value is what was under a key. Others may hold the same bytes, so that nobody may change them.
type Value struct {
	Bytes []byte
	buf   *buffer // nil: the garbage collector takes care of the bytes
}

// Release lets the memory be used again. It is optional: who keeps the bytes or anything that points into them, or cannot tell
// whether somebody still reads them, as after a failed write, does not call it. Nobody may call it twice.
func (v Value) Release() {
	if v.buf != nil {
		v.buf.release()
	}
}

// Share gives what was made of the bytes, and may point into them, to those who hold them as well. It goes with them.
func (v Value) Share(x any) {
	if v.buf != nil {
		v.buf.shared.CompareAndSwap(nil, x)
	}
}

// Shared is what somebody has made of the bytes and shared, or nil.
func (v Value) Shared() any {
	if v.buf == nil {
		return nil
	}
	return v.buf.shared.Load()
}

// Own returns the bytes in memory that may be kept. It takes the place of Release.
func (v Value) Own() []byte {
	if v.buf == nil {
		return v.Bytes
	}
	own := bytes.Clone(v.Bytes)
	v.Release()
	return own
}

// buffer is memory that several callers read, and that is used again when the last of them has released it.
type buffer struct {
	bytes  []byte
	class  int
	refs   atomic.Int32
	shared atomic.Value // what its holders have made of the bytes
}

// newBuffer returns a buffer of one reference, or nil for a size that is not used again.
func newBuffer(size int) *buffer {
	class := max(bits.Len(uint(size-1)), minBuffer) - minBuffer
	if class >= len(buffers) {
		return nil
	}
	b, ok := buffers[class].Get().(*buffer)
	if !ok {
		b = &buffer{bytes: make([]byte, 1<<(class+minBuffer)), class: class}
	}
	b.refs.Store(1)
	return b
}

func (b *buffer) release() {
	if b.refs.Add(-1) == 0 {
		b.shared = atomic.Value{}
		buffers[b.class].Put(b)
	}
}
