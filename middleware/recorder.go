package middleware

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"

	"github.com/larderhq/larder/internal/store"
)

// holdMode is what a recorder does with the handler's response.
type holdMode uint8

const (
	undecided holdMode = iota
	holding            // kept back, until the whole is there
	streaming          // going to the client as it is written
	teeing             // likewise, and kept as well
	dropping           // nobody wants it
	spared             // the client has this response already, and got a 304
)

// recorder is the ResponseWriter that the handler of a run sees. When the header is written it asks its run once what is to
// become of the response. Like any ResponseWriter it belongs to the handler's goroutine until the handler returns.
type recorder struct {
	u        *run
	w        http.ResponseWriter // the client's own; nil in the background
	header   http.Header         // the client's own map, unless the run may outlive the request
	mode     holdMode
	status   int // 0 until the header is written
	fields   []store.Field
	mine     http.Header   // what own returns
	kept     []store.Field // what storable returns
	body     []byte
	room     fieldRoom
	declared int64 // Content-Length; -1: none
	written  int64
	implicit bool // the header was written by the first byte of the body
	broken   bool // the handler turned to an error behind its header, or was told that its client is gone
}

// Header returns the map that goes out: the fields that outer middlewares set are in it.
func (rec *recorder) Header() http.Header { return rec.header }

// Unwrap lets http.ResponseController reach the deadlines and full duplex of the client's own writer, unless the client has been
// answered by somebody else: then its connection may serve another request already.
func (rec *recorder) Unwrap() http.ResponseWriter {
	if rec.u.owner.Load() == ownerGone {
		return nil
	}
	return rec.w
}

// committed reports whether the client gets the handler's own response, which nothing can replace any more.
func (rec *recorder) committed() bool {
	return rec.mode == streaming || rec.mode == teeing || rec.mode == spared
}

// open reports whether the response is still to be decided on, or held back.
func (rec *recorder) open() bool { return rec.mode == undecided || rec.mode == holding }

// WriteHeader relays a 1xx at once and decides at a final status. A second one is superfluous, as in net/http, but where it is an
// error it says that the body is not what it began as: a template that failed halfway, or a panic that was recovered from.
func (rec *recorder) WriteHeader(status int) {
	switch {
	case rec.status != 0:
		rec.broken = rec.broken || status >= http.StatusBadRequest && status != rec.status
		return
	case status < 100 || status > 999: // net/http would say so only when what is held back goes out
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	case status >= 100 && status <= 199 && status != http.StatusSwitchingProtocols:
		rec.inform(status)
		return
	}
	rec.status = status
	canonicalise(rec.header)
	rec.declared = declaredLength(rec.header)
	rec.fields = rec.room.snapshot(rec.header)
	rec.mode = rec.u.decide()
	if rec.committed() {
		rec.commit()
	}
}

// inform relays an informational response (RFC 9110 §15.2), which is never stored.
func (rec *recorder) inform(status int) {
	rec.u.using.Lock()
	defer rec.u.using.Unlock()
	if rec.w == nil || rec.u.owner.Load() == ownerGone {
		return
	}
	rec.show()
	rec.w.WriteHeader(status)
}

// show gives the client's own header the fields that are to go out, where the handler has a map apart from it.
func (rec *recorder) show() {
	if rec.u.separate {
		rewind(rec.w.Header(), new(fieldRoom).snapshot(rec.header))
	}
}

func declaredLength(h http.Header) int64 {
	text := first(h["Content-Length"])
	if text == "" {
		return -1
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return n
	}
	return -1
}

// Write holds, relays or both, as was decided.
func (rec *recorder) Write(p []byte) (int, error) { return record(rec, p) }

// WriteString is Write, and spares what is held back the copy that io.WriteString makes for a writer that has no such method.
func (rec *recorder) WriteString(s string) (int, error) { return record(rec, s) }

func record[T []byte | string](rec *recorder, p T) (int, error) {
	rec.begin()
	if err := rec.admit(len(p)); err != nil {
		return 0, err
	}
	switch rec.mode {
	case holding:
		if keep(rec, p) {
			return len(p), nil
		}
		return rec.w.Write([]byte(p))
	case teeing:
		keep(rec, p)
		n, err := rec.w.Write([]byte(p))
		rec.broken = rec.broken || err != nil // a handler that is told so may leave out the rest
		return n, err
	case streaming:
		return rec.w.Write([]byte(p))
	default:
		return len(p), nil
	}
}

// begin writes the header where the body begins without one.
func (rec *recorder) begin() {
	if rec.status == 0 {
		rec.implicit = true
		rec.WriteHeader(http.StatusOK)
	}
}

// complete writes the header where the handler has not, and no longer leaves it to a body where that is empty so far: outer middlewares
// that note the status would see none.
func (rec *recorder) complete() {
	if rec.status == 0 {
		rec.WriteHeader(http.StatusOK)
	}
	rec.implicit = rec.implicit && len(rec.body) > 0
}

// admit counts n bytes and refuses them where net/http would, so that holding back changes nothing for the handler.
func (rec *recorder) admit(n int) error {
	if rec.committed() {
		return nil // the client's own writer says it
	}
	if !bodyAllowed(rec.status) {
		return http.ErrBodyNotAllowed
	}
	if rec.written += int64(n); rec.declared >= 0 && rec.written > rec.declared {
		return http.ErrContentLength
	}
	return nil
}

// keep adds p to what is held, or, where that is more than may be stored, lets the response stream.
// It reports false when p is still to be written.
func keep[T []byte | string](rec *recorder, p T) bool {
	limit := rec.u.rt.c.opt.MaxBodyBytes
	size := int64(len(rec.body)) + int64(len(p))
	whole := min(max(size, rec.declared), limit)
	switch {
	case size > limit:
		rec.stream(detailBodySize)
	case !rec.u.reserve(whole):
		rec.stream(detailBudget)
	default:
		if rec.body == nil { // not from a pool: a handler may write to it from a goroutine that it has left behind
			rec.body = make([]byte, 0, min(whole, maxTrusted))
		}
		rec.body = append(rec.body, p...)
		return true
	}
	return rec.mode != streaming
}

// Flush is FlushError for those who look for an http.Flusher.
func (rec *recorder) Flush() { _ = rec.FlushError() } // http.Flusher has no way to report

// FlushError lets the response stream from now on.
func (rec *recorder) FlushError() error {
	rec.complete()
	if rec.mode == holding {
		rec.flushHeld()
	}
	if rec.mode == holding || rec.mode == dropping {
		return nil
	}
	err := http.NewResponseController(rec.w).Flush()
	rec.broken = rec.broken || err != nil && !errors.Is(err, errors.ErrUnsupported)
	return err
}

// CloseNotify is the deprecated http.CloseNotifier, without which gin's Stream panics: it says what the handler's context says.
func (rec *recorder) CloseNotify() <-chan bool {
	r := rec.u.req
	if r == nil { // of a write, whose handler has the client's
		r = rec.u.r
	}
	gone := make(chan bool, 1)
	context.AfterFunc(r.Context(), func() { gone <- true })
	return gone
}

// Hijack gives the connection away; nothing is stored. A header that was written goes out before, as with net/http: it may be the
// 101 of a POST. Where the client's writer cannot, and there is none, nothing has happened.
func (rec *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	u := rec.u
	u.using.Lock()
	defer u.using.Unlock()
	if rec.mode == holding && rec.w != nil {
		rec.stream(detailHijack)
	}
	if rec.w == nil || rec.mode == dropping || u.owner.Load() == ownerGone {
		return nil, nil, http.ErrNotSupported
	}
	conn, rw, err := http.NewResponseController(rec.w).Hijack()
	if err == nil {
		u.owner.Store(ownerRun)
		if rec.mode != streaming {
			u.refuse(detailHijack)
		}
		if rec.status == 0 {
			rec.status = http.StatusSwitchingProtocols
		}
		u.handOver()
		rec.mode = streaming
		rec.body = nil
	}
	return conn, rw, err
}
