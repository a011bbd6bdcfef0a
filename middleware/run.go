package middleware

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larderhq/larder/internal/invalidation"
	"github.com/larderhq/larder/internal/policy"
	"github.com/larderhq/larder/internal/store"
)

// outcome says what the client of a run gets.
type outcome uint8

const (
	outRaw       outcome = iota // the handler's response, held back so far
	outCommitted                // it has been streamed
	outStored                   // the stored response that the handler's has become
	outFreshened                // the stored response that the handler said is still good
	outStale                    // the stored response in the place of an error
	outRepeat                   // the handler's 304 is about something else: ask again without conditions
	outTimeout                  // nothing: the handler ran out of time without an answer
)

// run is one run of a handler on behalf of the cache. It may outlive its request, and so keeps nothing of the exchange but copies.
type run struct {
	rt      *route
	r       *http.Request // the client's
	req     *http.Request // the handler's
	key     string        // primary key
	flight  *flight
	stale   *response // what is stored already: to validate, and to fall back on
	asked   *policy.RequestDirectives
	guarded string
	fwd     string
	purpose purpose

	selective bool // the client asked for a part, or under a condition

	ctx   runContext
	again context.Context // for a second attempt: the request's as it was before a router inside noted its route there
	said  statement
	note  invalidation.Note
	began time.Time
	rec   recorder
	outer []store.Field
	owner atomic.Int32 // who answers the client: nobody yet, the run, or no longer the run
	using sync.Mutex   // held while the handler uses the client's writer before the run answers, so that the run is not abandoned meanwhile

	separate   bool // the handler's header map is not the client's, as it may outlive the request
	validating bool
	responded  time.Time
	terms      policy.Terms
	ttl        time.Duration          // what Entry(r).TTL had said when the terms were worked out
	unstored   func(name string) bool // which fields are never stored
	tagged     bool                   // the entity-tag is ours
	reason     string                 // why the response is not stored
	outcome    outcome
	made       made      // room for the result
	result     *response // what is served in the place of the handler's response
	saved      <-chan struct{}
	reserved   int64
	returned   bool
	landed     bool
}

// purpose is what a run is for.
type purpose uint8

const (
	toFill    purpose = iota // store the answer, and give it to a client
	toRefresh                // store it; nobody waits
	toWrite                  // an unsafe method: purge when it has succeeded
	toObserve                // HEAD: only look at the header
)

// Values of run.owner.
const (
	ownerOpen int32 = iota
	ownerRun
	ownerGone
)

// newRun returns a run on behalf of an exchange.
func (x *exchange) newRun(f *flight, s *response, fwd string) *run {
	u := &run{rt: x.rt, r: x.r, flight: f, stale: s, guarded: x.guarded, fwd: fwd, began: time.Now()}
	if f != nil && f.key == string(x.key) {
		u.key = f.key
	} else {
		u.key = string(x.key)
	}
	u.selective = x.conditional || x.ranged
	if x.obeys {
		asked := x.asked
		u.asked = &asked
	}
	u.outer = outerFields(x.w.Header())
	u.rec.u, u.rec.w, u.rec.header = u, x.w, x.w.Header()
	return u
}

// prepare makes the request that the handler sees. It reports false where the client
// has gone and it is too late for that: the flight has landed then.
func (u *run) prepare(background bool) (ok bool) {
	parent, ok := detached(u.r.Context(), background)
	if !ok {
		u.land(failed, nil)
		return false
	}
	u.said.open(parent, u.rt)
	u.ctx.begin(parent, &u.said, u.began.Add(u.rt.c.opt.FillTimeout))
	u.req = u.rt.fillRequest(&u.ctx, u.r)
	if u.stale != nil {
		u.addValidators()
	}
	return true
}

// variesBy are the fields that select the response to be refreshed among its variants.
func (u *run) variesBy() []string {
	if v := u.rt.c.tiers.index([]byte(u.key)); v != nil {
		return v.Names
	}
	return u.selecting(u.stale)
}

// addValidators makes the request conditional on what is stored (RFC 9111 §4.3.1), with the handler's own validators only: of
// the tags that we make it knows nothing.
func (u *run) addValidators() {
	tag, lastModified := u.stale.validators()
	if tag == "" && lastModified == "" {
		return
	}
	if u.req.Header == nil {
		u.req.Header = make(http.Header)
	}
	if tag != "" {
		u.req.Header["If-None-Match"] = []string{tag}
	}
	if lastModified != "" {
		u.req.Header["If-Modified-Since"] = []string{lastModified}
	}
	u.validating = true
	u.again, _ = detached(u.ctx.request, true)
}

// do runs the handler and works out what becomes of its answer. A panic goes on through it; the flight lands all the same.
func (u *run) do() {
	defer u.end()
	u.rt.c.awaitLog(&u.ctx)
	u.attempt()
	if u.outcome == outRepeat {
		u.forgetValidators()
		u.attempt()
	}
}

func (u *run) attempt() {
	u.note = u.rt.c.log.Note()
	u.returned = false
	if u.validating && u.rt.c.log.Usable(&u.stale.stamp, u.began) == invalidation.Invalid {
		u.forgetValidators() // it was purged since the request looked, and must not come back with a later position
	}
	u.rt.next.ServeHTTP(&u.rec, u.req)
	u.returned = true
	u.conclude()
}

// forgetValidators makes the next attempt ask without conditions.
func (u *run) forgetValidators() {
	for _, name := range clientConditions {
		delete(u.req.Header, name)
	}
	u.validating, u.outcome, u.reason = false, outRaw, ""
	u.said.forget()
	restore(u.rec.header, u.outer)
	u.ctx.startAgain(u.again)
	u.rec = recorder{u: u, w: u.rec.w, header: u.rec.header}
}

func (u *run) end() {
	if !u.returned {
		u.reason = detailError
		u.rt.c.stats.panics.Add(1)
	}
	u.land(failed, nil) // no effect where it has landed
	u.ctx.end()
	u.free()
}

// land tells those who wait what came of the run; later calls change nothing.
func (u *run) land(how landing, s *response) {
	if !u.landed {
		u.landed = true
		u.rt.c.flights.land(u.flight, how, s, u.saved)
	}
}

// claim has the run answer the client. It reports false where somebody else answers already.
func (u *run) claim() bool {
	return u.owner.Load() == ownerRun || u.owner.CompareAndSwap(ownerOpen, ownerRun)
}

// abandon takes the client from a run that has not begun to answer it, and reports whether that was so.
func (u *run) abandon() bool {
	u.using.Lock()
	defer u.using.Unlock()
	return u.owner.CompareAndSwap(ownerOpen, ownerGone)
}

// handOver gives the run back to its own client, whose cancellation counts from now on, and the deadline no more.
func (u *run) handOver() {
	u.ctx.handOver(u.r.Context())
}

// inPlace is how a response goes out where the handler's own fields are in place already.
func (u *run) inPlace(status *cacheStatus) reply {
	return reply{filled: true, cookie: hasField(u.outer, "Set-Cookie"), status: status}
}

// dress puts what is ours on a response that goes to the client as the handler writes it, and returns the status that it goes with.
func (u *run) dress() int {
	h, sent := u.rec.header, u.rec.status
	status := u.status()
	switch {
	case u.purpose == toWrite:
		u.invalidate()
	case u.rec.mode == teeing:
		status.stored = true
		_, _, tags := u.said.read()
		s := newResponse(&store.Entry{Key: u.key, Fields: u.rec.storable(), Terms: u.terms, Tags: u.tags(tags)})
		u.rt.putFace(h, s, s.at(u.rt, u.responded), u.inPlace(&status), false)
		u.rec.show()
		return sent
	case u.unchanged():
		u.rec.mode, u.rec.body = spared, nil
		status.fwdStatus, sent = sent, http.StatusNotModified
		stripContent(h)
	}
	status.addTo(h)
	u.rec.show()
	return sent
}
