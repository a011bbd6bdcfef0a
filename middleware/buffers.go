package middleware

import (
	"io"
	"sync"
)

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

const (
	// fillShare of the memory tier's budget is what all runs together may hold back of bodies, though always one of the largest that
	// are stored: with what waits to be written, the heap is to stay within the budget and a fifth.
	fillShare = 8
	// fillUnshared is the bound where there is no such tier.
	fillUnshared = 64 << 20
	// maxTrusted is the most room that is made on the word of a Content-Length alone: where MaxBodyBytes is large, there may not be
	// as much memory as an origin announces.
	maxTrusted = defaultMaxBodyBytes
)

func fillBytes(memory int64) int64 {
	if memory <= 0 {
		return fillUnshared
	}
	return memory / fillShare
}

// reserve raises what the run may hold back to total bytes. It reports false where all runs together would hold back too much.
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
	rec.begin()
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
