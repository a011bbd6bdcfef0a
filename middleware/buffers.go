package middleware

import (
	"io"
	"net/http"
	"sync"
)

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

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
