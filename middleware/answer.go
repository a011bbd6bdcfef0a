package middleware

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/larderhq/larder/internal/invalidation"
	"github.com/larderhq/larder/internal/policy"
)

const (
	// maxFailedFlights is after how many failures of others a waiter runs by himself: a handler that always fails must not
	// serve its clients one after the other.
	maxFailedFlights = 3
	// storeGrace is the most that a handler's goroutine waits for the remote tier behind its response, so that the next
	// request, wherever it goes, hits. A healthy Redis needs a hundredth of it.
	storeGrace = 5 * time.Millisecond
)

// lead runs the handler for this client, and for those who wait for the flight.
func (x *exchange) lead(f *flight, s *response, fwd string) {
	u := x.newRun(f, s, fwd)
	if u.mayFallBack(u.began) {
		x.leadBesideStale(u)
		return
	}
	defer u.land(failed, nil) // no effect where it has landed
	if !u.prepare(false) {
		x.gone()
		return
	}
	u.do()
	x.answer(u)
}

// leadFleet leads a flight where the route may ask for one in the whole fleet.
func (x *exchange) leadFleet(f *flight, s *response, fwd string) {
	if !x.rt.once || !x.rt.c.hasLeases() {
		x.lead(f, s, fwd)
		return
	}
	l, theirs := x.once(f.key)
	if theirs != nil {
		x.rt.c.flights.land(f, shared, theirs, nil)
		x.serve(theirs, reply{status: &cacheStatus{fwd: fwd, collapsed: true}}, time.Now())
		return
	}
	defer func() { l.release(x.rt.c.flights.saving(f)) }()
	x.lead(f, s, fwd)
}

// leadBesideStale runs the handler in a goroutine of its own, so that the client can be given the stale response as soon as the
// handler's time is up.
func (x *exchange) leadBesideStale(u *run) {
	u.rec.header, u.separate, u.r = apart(x.w.Header()), true, x.rt.lasting(x.r)
	if !u.prepare(true) {
		x.gone()
		return
	}
	var panicked any
	done := make(chan struct{})
	x.rt.c.goBackground(func() {
		defer close(done)
		defer func() { panicked = u.recovered(recover()) }()
		u.do()
	})
	select {
	case <-done:
	case <-u.ctx.Done(): // also when the run has ended, in which case it has an answer
		if errors.Is(u.ctx.Err(), context.DeadlineExceeded) && u.abandon() {
			restore(x.w.Header(), u.outer)
			x.standIn(u)
			return
		}
		<-done
	case <-x.r.Context().Done():
		if u.abandon() {
			x.gone()
			return
		}
		<-done
	}
	switch {
	case u.returned:
		x.answer(u)
	case !u.rec.committed() && u.mayFallBack(time.Now()):
		restore(x.w.Header(), u.outer)
		x.serveStale(u.stale, 0, detailError)
	case panicked == nil:
		runtime.Goexit() // as the handler did
	default: // it has begun to stream, or nothing stands in for it any more: the panic is its client's
		panic(panicked)
	}
}

// standIn answers in the place of a handler that is out of time: with the stale response, unless that was purged meanwhile.
func (x *exchange) standIn(u *run) {
	if !u.mayFallBack(time.Now()) {
		x.timedOut(u)
		return
	}
	x.serveStale(u.stale, 0, detailTimeout)
}

func (x *exchange) timedOut(u *run) {
	cacheStatus{fwd: u.fwd, detail: detailTimeout}.addTo(x.w.Header())
	http.Error(x.w, http.StatusText(http.StatusGatewayTimeout), http.StatusGatewayTimeout)
}

// recovered logs a panic with its stack, where the stack would be lost.
func (u *run) recovered(v any) any {
	if v != nil && v != any(http.ErrAbortHandler) {
		u.rt.c.logger.Error("larder: handler panicked", "route", u.rt.label(u.r), "panic", v, "stack", string(debug.Stack()))
	}
	return v
}

// answer gives the client what has become of its run.
func (x *exchange) answer(u *run) {
	h := x.w.Header()
	status := u.status()
	switch u.outcome {
	case outCommitted:
		if u.separate {
			maps.Copy(h, u.rec.header) // trailers
		}
	case outStored:
		rewind(h, u.rec.fields)
		status.stored = true
		x.serve(u.result, u.inPlace(&status), time.Unix(0, u.result.Terms.ResponseTime))
		x.awaitStore(u.saved)
	case outFreshened:
		restore(h, u.outer)
		status.fwdStatus, status.stored = http.StatusNotModified, u.reason == ""
		x.serve(u.result, reply{status: &status}, time.Now())
		x.awaitStore(u.saved)
	case outStale:
		restore(h, u.outer)
		x.serveStale(u.stale, u.rec.status, u.reason)
	case outTimeout:
		restore(h, u.outer)
		x.timedOut(u)
	default:
		rewind(h, u.rec.fields)
		if u.separate {
			copyTrailers(h, u.rec.header)
		}
		sent, body := u.rec.status, u.rec.body
		if u.unchanged() {
			status.fwdStatus, sent, body = sent, http.StatusNotModified, nil
			stripContent(h)
		}
		status.addTo(h)
		u.rec.sendHeader(x.w, sent)
		if len(body) > 0 {
			x.write(body)
		}
	}
}

// serveStale answers with a stale response in the place of an error (RFC 5861 §4).
func (x *exchange) serveStale(s *response, handlerStatus int, why string) {
	x.rt.c.stats.stale.Add(1)
	x.rt.note(x.r, "larder: stale response served", why)
	x.expired = x.state(s) == invalidation.Expired
	status := cacheStatus{fwd: fwdStale, fwdStatus: handlerStatus, detail: detailOnError}
	x.serve(s, reply{status: &status}, time.Now())
}

// gone answers a client whose own context has ended: it is not there any more, or an outer middleware answers for it, as after a
// time-out of its own with 504. The status only keeps an implicit 200 from passing for an answer.
func (x *exchange) gone() {
	status := http.StatusServiceUnavailable
	if errors.Is(x.r.Context().Err(), context.DeadlineExceeded) {
		status = http.StatusGatewayTimeout
	}
	x.w.WriteHeader(status)
}

// awaitStore waits a moment for the remote tier. The client has its response, or will get it with the end of the handler.
func (x *exchange) awaitStore(saved <-chan struct{}) {
	if saved == nil {
		return
	}
	timer := time.NewTimer(storeGrace)
	defer timer.Stop()
	select {
	case <-saved:
	case <-timer.C:
	}
}

// mayJoin reports whether the exchange may wait for a flight: not if it is older than its process can vouch for.
func (x *exchange) mayJoin(f *flight) bool {
	return x.rt.c.log.JoinAllowed(f.began, x.arrived)
}

// Landings for one who waits: his own context ended, or he is to take over.
const (
	abandoned = overtaken + 1 + iota
	overdue
)

// wait waits for a flight to land, until the client leaves or it takes too long and nobody else has taken over.
func (x *exchange) wait(f *flight) landing {
	x.waited = true
	timer := time.NewTimer(max(time.Millisecond, takeover-time.Since(f.began)))
	defer timer.Stop()
	for {
		select {
		case <-f.done:
			return f.how
		case <-timer.C:
			leads, patience := x.rt.c.flights.takeOver(f, time.Now())
			if leads {
				return overdue
			}
			timer.Reset(patience)
		case <-x.r.Context().Done():
			x.gone()
			return abandoned
		}
	}
}

// accepts reports whether the response of a flight may answer an exchange that waited for it.
func (x *exchange) accepts(f *flight) bool {
	s := f.s
	if s == nil {
		return false
	}
	if v := x.rt.c.tiers.index(x.key); s.Key != string(x.key) && (v == nil || s.Key != string(x.variantKey(v.Names))) {
		return false
	}
	return x.judge(s, x.arrived) == policy.Fresh || s.stamp.BegunSince(x.arrived) && x.mayReuse(s)
}

// flightKey is the key of the request as far as it is known: with its variant where the key has variants.
// It is good until the next call.
func (x *exchange) flightKey() []byte {
	if v := x.rt.c.tiers.index(x.key); v != nil {
		return x.variantKey(v.Names)
	}
	return x.key
}
