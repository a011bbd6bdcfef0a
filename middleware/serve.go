package middleware

import (
	"cmp"
	"net/http"
	"time"

	"github.com/larderhq/larder/internal/invalidation"
	"github.com/larderhq/larder/internal/policy"
)

// ServeHTTP is the way of a request: classify, key, look-up, verdict, serve.
func (rt *route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if rt.c.passive() {
		rt.tellAround(r.Context())
		rt.next.ServeHTTP(w, r)
		return
	}
	var f asking
	f.read(r.Header)
	if rt.replay(w, r, &f) {
		return
	}
	x := newExchange(rt, w, r)
	defer x.release()

	switch lane, fwd, detail := x.classify(&f); lane {
	case lanePass:
		x.pass(fwd, detail)
		return
	case laneWrite:
		x.runUnsafe()
		return
	}
	key, detail := rt.appendKey(x.key, r)
	x.key = key
	if detail == "" && !x.caughtUp() {
		detail = detailCatchUp
	}
	if detail != "" {
		x.pass(fwdBypass, detail)
		return
	}
	s, verdict, fwd := x.find()
	switch verdict {
	case policy.Fresh, policy.StaleAllowed:
		if rt.ahead && x.early(s) {
			x.hitAndRefresh(s)
			return
		}
		x.hit(s)
		x.releaseValue()
	case policy.StaleWhileRevalidate:
		x.expired = s.Terms.Remaining(x.arrived) > 0
		x.hitAndRefresh(s)
	default:
		x.fill(s, fwd)
	}
}

// hit answers from the store.
func (x *exchange) hit(s *response) {
	x.rt.c.stats.hits[x.share].Add(1)
	if second := x.arrived.Unix(); s.used.Load() != second {
		s.used.Store(second)
	}
	x.rt.c.logKey(x.r.Context(), "larder: key found", s.Key)
	x.serve(s, reply{hit: true}, x.arrived)
}

// pass lets a request go by the cache.
func (x *exchange) pass(fwd, detail string) {
	x.rt.c.stats.bypasses.Add(1)
	x.rt.note(x.r, "larder: passed by", detail)
	if fwd == fwdBypass && !x.rt.c.opt.IgnoreClient && policy.ParseRequest(x.r.Header["Cache-Control"], nil).OnlyIfCached {
		x.notStored()
		return
	}
	x.forward(fwd, detail)
}

// notStored answers only-if-cached where no stored response may (RFC 9111 §5.2.1.7).
func (x *exchange) notStored() {
	http.Error(x.w, "larder: not stored, and the request says only-if-cached", http.StatusGatewayTimeout)
}

// forward lets the handler answer with the client's own writer, and says why; with no fwd the client is told nothing.
func (x *exchange) forward(fwd, detail string) {
	if fwd != "" {
		cacheStatus{fwd: fwd, detail: detail}.addTo(x.w.Header())
	}
	x.rt.tellAround(x.r.Context())
	x.rt.next.ServeHTTP(x.w, x.r)
}

// fill has the handler answer, alone or for others too, and stores what it may.
func (x *exchange) fill(s *response, fwd string) {
	x.rt.c.stats.misses.Add(1)
	x.identify()
	if state := x.state(s); state != invalidation.Invalid {
		fwd = fwdStale
		if x.obeys && state == invalidation.Valid && s.Terms.Reuse(x.arrived, nil) == policy.Fresh {
			fwd = fwdRequest // it is the request that asks for more
		}
	} else {
		s, fwd = nil, cmp.Or(fwd, fwdURIMiss)
	}
	switch {
	case x.onlyCached:
		x.notStored()
	case x.r.Method == http.MethodHead:
		x.forwardHead(s, fwd)
	case x.masked():
		x.forward(fwdBypass, detailMasked)
	case wantsEvents(x.r.Header["Accept"]):
		x.forward(fwdBypass, detailEvents)
	case x.guarded == detailIdentity: // what comes of it may say by Vary that it is one user's
		x.alone(s, fwd, x.guarded)
	case x.guarded != "":
		x.rt.advise(x.r, x.guarded)
		x.alone(s, fwdBypass, x.guarded)
	case x.rt.c.refusals.recent(alias(x.flightKey()), x.arrived):
		x.alone(s, fwd, "")
	case x.obeys && x.asked.NoCache, x.rt.c.within(x.r.Context()):
		x.lead(nil, s, fwd)
	default:
		x.collapse(s, fwd)
	}
}

// wantsEvents reports whether a request asks for server-sent events and nothing else, as a browser's EventSource does. Such a stream is
// nobody else's, never complete, and may be quiet for longer than FillTimeout: a 504 would end it for good.
func wantsEvents(accept []string) bool { return len(accept) == 1 && accept[0] == "text/event-stream" }

// alone runs the handler for this client only. Where nothing is stored that might be freshened or stand in for a failure, a request with
// conditions or a range goes through as it is, since what comes of it will hardly be stored and the handler knows best.
func (x *exchange) alone(s *response, fwd, detail string) {
	if s == nil && (x.conditional || x.ranged) {
		x.forward(fwd, detail)
		return
	}
	x.lead(nil, s, fwd)
}

// collapse joins the run of the handler that is under way for the same key, or starts one.
func (x *exchange) collapse(s *response, fwd string) {
	c := x.rt.c
	for range maxFailedFlights {
		f, leads := c.flights.join(alias(x.flightKey()), x.present(), x.mayJoin)
		if leads {
			if there, _ := x.recall(); x.judge(there, x.arrived) == policy.Fresh { // it landed since this request looked
				c.flights.land(f, shared, there, nil)
				x.late(there, fwd, true)
				return
			}
			x.leadFleet(f, s, fwd)
			return
		}
		switch how := x.wait(f); how {
		case shared, overtaken:
			if x.accepts(f) {
				x.late(f.s, fwd, how == shared)
				return
			}
			var v policy.Verdict
			if s, v, _ = x.find(); v == policy.Fresh {
				x.late(s, fwd, true)
				return
			}
			if x.state(s) == invalidation.Invalid { // of another target, or for others: nothing to validate or to fall back on
				s = nil
			}
		case refused:
			x.alone(s, fwd, "")
			return
		case overdue:
			x.lead(f, s, fwd)
			return
		case abandoned:
			return
		}
	}
	x.lead(nil, s, fwd)
}

// present is when a flight of this request would begin: it has arrived just now, unless it has waited for another one.
func (x *exchange) present() time.Time {
	if x.waited {
		return time.Now()
	}
	return x.arrived
}

// late answers a request that missed with what there is since: a hit, unless it waited for that.
func (x *exchange) late(s *response, fwd string, stored bool) {
	if !x.waited {
		x.rt.c.stats.misses.Add(-1)
		x.hit(s)
		return
	}
	x.serve(s, reply{status: &cacheStatus{fwd: fwd, collapsed: true, stored: stored}}, time.Now())
}
