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
	buf   *buffer // nil: the bytes belong to nobody else
}

// Release lets the memory be used again. It is optional: who keeps the bytes or anything that points into them, or cannot tell
// whether somebody still reads them, as after a failed write, does not call it. Nobody may call it twice.
func (v Value) Release() {
	if v.buf != nil {
		v.buf.release()
	}
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
	bytes []byte
	refs  atomic.Int32
}

func newBuffer(size int) *buffer {
	class := max(bits.Len(uint(size-1)), minBuffer) - minBuffer
	if class >= len(buffers) {
		return &buffer{bytes: make([]byte, size)}
	}
	b, ok := buffers[class].Get().(*buffer)
	if !ok {
		b = &buffer{bytes: make([]byte, 1<<(class+minBuffer))}
	}
	b.bytes = b.bytes[:size]
	b.refs.Store(1)
	return b
}

func (b *buffer) release() {
	if b.refs.Add(-1) > 0 {
		return
	}
	if class := bits.Len(uint(cap(b.bytes)-1)) - minBuffer; class < len(buffers) {
		buffers[class].Put(b)
	}
}
