package middleware

import "sync"

// maxPooledBody is up to where buffers for bodies are used again: a run holds its own for as long as its handler takes.
const maxPooledBody = 16 << 10

var (
	copyBuffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}
	bodyBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}
)

// heldBody is what of a body is held back.
type heldBody struct {
	bytes  []byte
	pooled *[]byte // where bytes began; nil: not in a pooled buffer
}

// add appends p to a body that will be size bytes long, as far as is known.
func (b *heldBody) add(p []byte, size int64) {
	switch {
	case b.bytes != nil:
	case size > maxPooledBody:
		b.bytes = make([]byte, 0, size)
	default:
		b.pooled = bodyBuffers.Get().(*[]byte)
		b.bytes = (*b.pooled)[:0]
	}
	b.bytes = append(b.bytes, p...)
}

// release forgets the body, which nobody may look at any more.
func (b *heldBody) release() {
	if b.pooled != nil && cap(b.bytes) <= maxPooledBody {
		*b.pooled = b.bytes[:0]
		bodyBuffers.Put(b.pooled)
	}
	*b = heldBody{}
}
