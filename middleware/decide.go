package middleware

import (
	"net/http"
	"slices"
	"time"

	"github.com/larderhq/larder/internal/invalidation"
	"github.com/larderhq/larder/internal/policy"
	"github.com/larderhq/larder/internal/store"
)

// decide is asked when the header is written: hold the response back, or let it go to the client.
func (u *run) decide() holdMode {
	u.responded = time.Now()
	status := u.rec.status
	switch {
	case u.purpose == toWrite:
		return holding
	case u.validating && status == http.StatusNotModified:
		u.outcome = outFreshened
		return dropping
	case serverError(status) && u.mayFallBack(u.responded):
		u.outcome = outStale
		return dropping
	case u.purpose == toObserve:
		return streaming
	}
	if why := u.refusal(); why != "" {
		u.refuse(why)
		if u.supersedes() {
			u.rt.c.tiers.drop(u.stale.Key)
		}
		return streaming
	}
	return holding
}

// supersedes reports whether an answer that is not stored shows all the same that what is stored is no longer suitable
// (RFC 9111 §4.3.3). An error shows nothing, nor does what one user gets, or one who is just given a cookie.
func (u *run) supersedes() bool {
	gone := u.rec.status == http.StatusNotFound || u.rec.status == http.StatusGone
	return u.stale != nil && u.guarded == "" && !u.newcomer() && (gone || u.rec.status < http.StatusBadRequest)
}

// needsWhole reports whether nothing can be sent before the response is complete: nobody is there to get it, the client asked
// for a part or under a condition, or a stale response would take its place if it broke off.
func (u *run) needsWhole(now time.Time) bool {
	return u.purpose == toRefresh || u.selective || u.mayFallBack(now)
}

// unchanged reports whether the client already has the response, which is not stored. Its conditions were kept from the handler, which
// might have answered 304, so that they are evaluated here (RFC 9110 §13.2.1).
func (u *run) unchanged() bool {
	if u.purpose != toFill || !u.selective || u.rec.status != http.StatusOK {
		return false
	}
	s := newResponse(&store.Entry{Fields: u.rec.fields})
	return s.notModified(u.r.Header["If-None-Match"], u.r.Header, "")
}

// serverError reports whether a status counts as an error for stale-if-error (RFC 5861 §4).
func serverError(status int) bool {
	switch status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// mayFallBack reports whether the stored response may stand in for a failed handler.
func (u *run) mayFallBack(now time.Time) bool {
	return u.stale != nil && u.rt.c.log.Usable(&u.stale.stamp, u.began) != invalidation.Invalid &&
		u.stale.Terms.ServableOnError(now, u.asked)
}

// refusal says why the response may not be stored, from its header.
func (u *run) refusal() string {
	ttl, skip, _ := u.said.read()
	if skip != "" {
		return skip
	}
	if u.newcomer() {
		u.rt.adviseNewcomer(u.r)
		return string(policy.ReasonSetCookie)
	}
	if personal, _ := u.said.apart(); personal && u.rt.user == nil {
		return string(policy.ReasonPrivate)
	}
	if _, all := varyNames(u.outer); all {
		return string(policy.ReasonVary)
	}
	if u.rec.declared > u.rt.c.opt.MaxBodyBytes {
		return detailBodySize
	}
	h := u.rec.header // as it is while the handler writes it
	if len(u.outer) > 0 {
		h = u.rec.own()
	}
	u.unstored = policy.Unstored(h, u.rt.c.opt.Targets...)
	why := u.agree(h, ttl)
	if why == "" && u.rt.leadsBack(u.r, u.rec.status, first(h["Location"])) {
		return detailSelfRedirect
	}
	return why
}

// newcomer reports whether an outer middleware gives this client a cookie, on a route that is strict about cookies. It is not part
// of the response, but the body may be: what guards against CSRF puts the token of the cookie into its forms.
func (u *run) newcomer() bool {
	r := &u.rt.rules
	vouched := r.fromHeaders || r.public || r.user != nil || r.hasCookies || r.storeCookies
	return !vouched && hasField(u.outer, "Set-Cookie")
}

// agree works out the terms on which a response with these fields is stored.
func (u *run) agree(h http.Header, ttl time.Duration) string {
	rules := u.rt.policy
	rules.Override = ttl
	names, _ := policy.VaryNames(h["Vary"])
	terms, reason := policy.Store(
		policy.Request{Method: http.MethodGet, Credentials: policy.Reason(u.guard(names))},
		policy.Response{Status: u.rec.status, Header: h, RequestTime: u.began, ResponseTime: u.responded},
		rules)
	if len(names) > maxSelecting {
		reason = policy.ReasonVary
	}
	u.terms, u.ttl = terms, ttl
	return string(reason)
}

// guard names what of the request forbids to give a response with these names in its Vary to others. A field that says who asks does
// not, where that Vary, or one of outer middlewares or of routes inside, has it select; what the Vary of earlier responses named does not
// count.
func (u *run) guard(names []string) string {
	if u.guarded != "" && u.guarded != detailIdentity {
		return u.guarded
	}
	outer, _ := varyNames(u.outer)
	_, inside := u.said.apart()
	if u.rt.identity(u.r, slices.Concat(names, outer, inside)...) != "" {
		return detailIdentity
	}
	return ""
}

// refuse notes that the response is not stored, and lets those who wait run by themselves.
func (u *run) refuse(why string) {
	if u.purpose == toWrite {
		return
	}
	u.reason = why
	c := u.rt.c
	c.stats.refusals.Add(1)
	u.rt.note(u.r, "larder: not stored", why)
	if why == detailIdentity {
		u.rt.advise(u.r, why)
	}
	switch {
	case why == detailInvalidated:
		u.land(overtaken, nil) // no effect where it has landed
		return
	case u.rec.status >= 500 || u.guarded != "", why == detailBudget && u.rec.mode == streaming: // other runs left no room for it
		u.land(failed, nil)
		return
	}
	if u.flight != nil && why != detailBudget {
		c.refusals.add(u.flight.key, u.responded, memoryOf(why))
	}
	u.land(refused, nil)
}
