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

// buffers holds those that are free, by class. Without it, answering with 64 KiB from Redis is half allocation and garbage
// collection.
var buffers [maxBuffer - minBuffer + 1]sync.Pool

// Value is what was under a key. Others may hold the same bytes, so that nobody may change them.
type Value struct {
	Bytes []byte
	buf   *buffer // nil: the garbage collector takes care of the bytes
}

// Release lets the memory be used again. It may be left out, and must be where the bytes, or anything that points into them, are kept,
// or where somebody may still read them, as after a failed write. Nobody may call it twice.
func (v Value) Release() {
	if v.buf != nil {
		v.buf.release()
	}
}

// Share gives x, which was made of the bytes and may point into them, to all that hold the same bytes. The first x stays; it lasts as
// long as they do.
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
