package middleware

import (
	"math"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/larderhq/larder/internal/invalidation"
	"github.com/larderhq/larder/internal/policy"
)

const (
	// maxRefreshes is how many refreshes in the background may run at a time.
	maxRefreshes = 64
	// refreshBackoff is how long a failed refresh keeps others of the same response away; it doubles up to maxBackoff.
	refreshBackoff = time.Second
	maxBackoff     = 30 * time.Second
	// refusedPause keeps the stale hits of a replica from asking Redis, each, whether another one has done with its refresh.
	refusedPause = 100 * time.Millisecond
)

// hitAndRefresh answers from the store, and has the handler see what outer middlewares had set before.
func (x *exchange) hitAndRefresh(s *response) {
	outer := x.w.Header().Clone()
	x.hit(s)
	x.refresh(s, outer)
}

// refresh has the handler answer anew in the background, once a key at a time. It is called before ServeHTTP returns, while the
// request's context still holds what its owner put there. The header becomes the run's.
func (x *exchange) refresh(s *response, outer http.Header) {
	c := x.rt.c
	x.identify()
	switch {
	case x.r.Method == http.MethodHead: // what answers it has no content to store
		return
	case !x.mayReuse(s): // what the handler answers is for this client
		return
	case x.masked(), c.backoffs.recent(s.Key, x.arrived):
		return
	}
	if c.refreshing.Add(1) > maxRefreshes || !x.beginRefresh(s, outer) {
		c.refreshing.Add(-1)
	}
}

// beginRefresh reports false where no run has begun that ends the refresh: another one is under way, or the client has gone.
func (x *exchange) beginRefresh(s *response, outer http.Header) bool {
	c := x.rt.c
	f, leads := c.flights.join(alias(x.flightKey()), x.arrived, func(*flight) bool { return true })
	if !leads {
		return false
	}
	u := x.newRun(f, s, fwdStale)
	u.purpose, u.asked = toRefresh, nil
	u.rec.w, u.rec.header, u.outer = nil, outer, outerFields(outer)
	u.r = x.rt.lasting(x.rt.impersonal(x.r, u.variesBy())) // but outer middlewares may have told the handler who asks: u.guarded stays
	u.said.masked = len(u.r.Header["Authorization"]) < len(x.r.Header["Authorization"]) || len(u.r.Header["Cookie"]) < len(x.r.Header["Cookie"])
	if !u.prepare(true) {
		return false
	}
	c.goBackground(func() {
		defer c.refreshing.Add(-1)
		u.runAlone(s)
	})
	return true
}

// runAlone runs a refresh, unless another replica of the fleet does or has.
func (u *run) runAlone(s *response) {
	if u.rt.once && u.rt.c.hasLeases() {
		l := u.rt.c.newLease(u.flight.key)
		if !l.acquire(&u.ctx) {
			u.rt.c.backoffs.add(s.Key, time.Now(), refusedPause)
			u.spare()
			return
		}
		defer func() { l.release(u.saved) }()
		if u.adopt(s) {
			u.spare()
			return
		}
	}
	defer u.settle(s)
	u.do()
}

// spare ends a run that needs no handler.
func (u *run) spare() {
	u.returned = true
	u.end()
}

// adopt takes what another replica has stored in the place of s, where it is newer and fresh.
func (u *run) adopt(s *response) bool {
	c := u.rt.c
	value, found := c.tiers.remote.get(&u.ctx, s.Key)
	if !found {
		return false
	}
	there := u.rt.decode(s.Key, alias(value), invalidation.Origin{}, []byte(u.key), u.r)
	if there == nil || there.Variants != nil || there.Target != s.Target || there.Terms.ResponseTime <= s.Terms.ResponseTime {
		return false
	}
	now := time.Now()
	if there.Terms.Reuse(now, nil) != policy.Fresh || c.log.Usable(&there.stamp, now) != invalidation.Valid {
		return false
	}
	c.tiers.remember(there)
	u.land(shared, there)
	return true
}

// early draws whether this request refreshes a fresh response: the likelier the nearer its end and the longer its handler took.
func (x *exchange) early(s *response) bool {
	gap := -float64(s.Cost) * math.Log(1-rand.Float64())
	return gap >= float64(s.Terms.Remaining(x.arrived))
}

// failed reports whether the handler's answer says nothing about what is stored. One that other runs left no room is as good as none.
func (u *run) failed() bool {
	return u.outcome == outStale || u.rec.status >= 500 || u.reason == detailBudget || inconclusive(u.reason)
}

// settle ends a refresh: a panic is logged and goes no further, a failure keeps the response and backs off, and an answer that
// takes its place without being storable ends it.
func (u *run) settle(s *response) {
	if v := recover(); v != nil {
		u.rt.c.logger.Error("larder: handler panicked in the background", "route", u.rt.label(u.r), "panic", v, "stack", string(debug.Stack()))
	}
	switch {
	case u.result != nil && u.reason == "":
		u.rt.c.backoffs.add(s.Key, time.Now(), 0)
	case u.returned && !u.failed() && u.guarded == "" && !u.newcomer(): // what one user gets shows nothing
		u.rt.c.tiers.drop(s.Key)
	default:
		pause := max(refreshBackoff, min(2*u.rt.c.backoffs.last(s.Key), maxBackoff))
		u.rt.c.backoffs.add(s.Key, time.Now(), pause)
	}
}
