package middleware

import (
	"io"
	"net/http"
	"sync"
)

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
	if b.pooled != nil {
		if cap(b.bytes) <= maxPooledBody {
			*b.pooled = b.bytes[:0]
		}
		bodyBuffers.Put(b.pooled)
	}
	*b = heldBody{}
}

// reserve makes it so many bytes that the run may hold back, of what all together may.
func (u *run) reserve(total int64) bool {
	n := total - u.reserved
	if n <= 0 {
		return true
	}
	if u.rt.c.filling.Add(n) > u.rt.c.maxFilling {
		u.rt.c.filling.Add(-n)
		return false
	}
	u.reserved = total
	return true
}

// free gives back what the run has reserved.
func (u *run) free() {
	u.rt.c.filling.Add(-u.reserved)
	u.reserved = 0
}

// ReadFrom lets io.Copy stay cheap: streamed bytes go to the client's own writer, which may have a short cut for files.
func (rec *recorder) ReadFrom(src io.Reader) (n int64, err error) {
	if rec.status == 0 {
		rec.WriteHeader(http.StatusOK)
	}
	if rec.mode == streaming {
		return io.Copy(rec.w, src)
	}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(justWriter{rec}, justReader{src}, *buf)
}

// justWriter and justReader hide ReadFrom and WriteTo from io.CopyBuffer.
type (
	justWriter struct{ io.Writer }
	justReader struct{ io.Reader }
)
