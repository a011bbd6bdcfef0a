package middleware

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// probeTime is how long a request may take to show whether content follows: what net/http's own transport waits for the same answer.
const probeTime = 200 * time.Millisecond

// hasContent reports whether the request has content, or may have. HTTP/3 does not tell before the stream ends: a server such as
// quic-go's gives each GET without a Content-Length the length -1, so that its body is asked for a first byte. Older versions say
// -1 only where content was announced. Afterwards x.r is a request whose body has lost nothing.
func (x *exchange) hasContent() bool {
	r := x.r
	if r.ContentLength >= 0 || r.ProtoMajor < 3 || r.Body == nil {
		return r.ContentLength != 0
	}
	p := &probe{ReadCloser: r.Body, done: make(chan struct{})}
	go p.read()
	timer := time.NewTimer(probeTime)
	defer timer.Stop()
	x.r = r.WithContext(r.Context())
	x.r.Body = p
	select {
	case <-p.done:
	case <-timer.C:
		return true
	}
	if p.n > 0 || !errors.Is(p.err, io.EOF) { // another error is the handler's to see
		return true
	}
	x.r.Body, x.r.ContentLength = http.NoBody, 0
	return false
}

// probe is a body whose first byte was asked for beforehand.
type probe struct {
	io.ReadCloser
	done  chan struct{} // closed when the rest is there
	first [1]byte
	n     int
	err   error
}

func (p *probe) read() {
	defer close(p.done)
	p.n, p.err = p.ReadCloser.Read(p.first[:])
}

// Read gives the first byte back before it goes on.
func (p *probe) Read(b []byte) (int, error) {
	<-p.done
	switch {
	case p.n > 0:
		n := copy(b, p.first[:p.n])
		p.n -= n
		return n, nil
	case p.err != nil:
		return 0, p.err
	}
	return p.ReadCloser.Read(b)
}
