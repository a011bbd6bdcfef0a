package middleware

import (
	"context"
	"maps"
	"net/http"
	"time"

	"github.com/larderhq/larder/internal/policy"
)

// commit hands the run to its own client: header and what is held go out.
func (rec *recorder) commit() {
	if rec.w == nil || !rec.u.claim() {
		rec.mode = dropping
		rec.body = nil
		rec.u.ctx.finish(context.Canceled, http.ErrAbortHandler)
		return
	}
	if rec.mode != holding {
		rec.u.handOver()
	}
	rec.sendHeader(rec.w, rec.u.dress())
	if len(rec.body) > 0 {
		if _, err := rec.w.Write(rec.body); err != nil {
			rec.u.rt.c.logger.Debug("larder: client gone", "error", err)
		}
	}
	if rec.mode == streaming {
		rec.body = nil
	}
}

// sendHeader writes the header, unless the handler has left that to the body, which follows: compressors of outer middlewares
// (gorilla/handlers) find out its type then, which net/http does not where there is a Content-Encoding.
func (rec *recorder) sendHeader(w http.ResponseWriter, status int) {
	if !rec.implicit || status != http.StatusOK {
		w.WriteHeader(status)
	}
}

// commitHeld is commit for what was held back: it goes out with the fields that were there when the header was written. Of those
// that came since, the trailers that it announced count.
func (rec *recorder) commitHeld() {
	late := make(http.Header)
	for name := range policy.Members(rec.header["Trailer"]) {
		name = http.CanonicalHeaderKey(name)
		if values, found := rec.header[name]; found {
			late[name] = values
		}
	}
	rewind(rec.header, rec.fields)
	rec.commit()
	maps.Copy(rec.header, late)
}

// stream stops keeping the response; what was held back goes out.
func (rec *recorder) stream(why string) {
	committed := rec.mode == teeing
	rec.mode = streaming
	rec.u.refuse(why)
	if committed {
		rec.body = nil
		return
	}
	rec.commitHeld()
}

// flushHeld sends what is held back. Where the response's own fields decide (RFC 9111), streaming is no reason not to keep it;
// ReverseProxy flushes whatever comes without Content-Length.
func (rec *recorder) flushHeld() {
	u := rec.u
	switch {
	case !u.rt.fromHeaders || u.purpose == toWrite:
		rec.stream(detailFlush)
	case u.needsWhole(time.Now()): // it goes on being held back
	default:
		rec.mode = teeing
		rec.commitHeld()
	}
}
