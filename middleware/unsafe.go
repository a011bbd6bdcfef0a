package middleware

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/larderhq/larder/internal/invalidation"
	"github.com/larderhq/larder/internal/policy"
)

// Invalidates is for write routes: after a response of 2xx or 3xx the tags, with the route's wildcards filled in, are
// invalidated, and always the target URI, and the Location and Content-Location of the same origin (RFC 9111 §4.4).
// The response is held back until the log has it, so that its reader finds what it wrote.
func (c *Cache) Invalidates(tags ...string) func(http.Handler) http.Handler {
	for _, t := range tags {
		checkTemplate("Invalidates", t)
	}
	c.made()
	return func(next http.Handler) http.Handler {
		wired(next)
		rt := &route{c: c, next: next, writeTags: tags}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodConnect || policy.SafeMethod(r.Method) {
				next.ServeHTTP(w, r)
				return
			}
			x := newExchange(rt, w, r)
			defer x.release()
			x.runUnsafe()
		})
	}
}

// runUnsafe runs a handler whose success invalidates what is stored. What it answers is held back until it has returned, so
// that the purge comes after all that it did and before its client can ask again.
func (x *exchange) runUnsafe() {
	u := &run{rt: x.rt, r: x.r, fwd: fwdMethod, purpose: toWrite}
	u.rec = recorder{u: u, w: x.w, header: x.w.Header()}
	defer u.free()
	defer func() {
		if u.rec.committed() { // once more, also after a panic: the handler went on after its header
			u.invalidate()
		}
	}()
	x.rt.next.ServeHTTP(&u.rec, x.r)
	u.rec.complete()
	if u.rec.mode == holding {
		u.rec.commitHeld()
	}
}

// invalidate purges what a successful write has changed. A log out of reach is no reason to fail the write: the purge stays
// pending in this process and is tried again.
func (u *run) invalidate() {
	if !policy.NonError(u.rec.status) {
		return
	}
	c := u.rt.c
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.r.Context()), c.opt.StoreTimeout)
	defer cancel()
	err := c.purge(ctx, u.changed())
	switch {
	case errors.Is(err, invalidation.ErrClosed): // nobody is left to try again
		c.logger.Error("larder: invalidation lost, as the cache was closed before its server", "route", u.rt.label(u.r))
	case err != nil:
		c.logger.Warn("larder: invalidation not acknowledged, trying again", "route", u.rt.label(u.r), "error", err)
	}
	c.mark(u.rec.header, err)
}

// changed are the selectors of what a successful write may have changed: its target and what it points to in the same origin
// (RFC 9111 §4.4), the tags of its route, and the groups that the response names (RFC 9875 §3).
func (u *run) changed() []invalidation.Selector {
	var list []invalidation.Selector
	target := targetURL(u.r)
	if u.r.Header.Get("X-Forwarded-Proto") == "https" { // forged, it purges no more than what the write points to
		target.Scheme = "https"
	}
	add := func(path string) {
		list = append(list, Path(u.r.Host+path).selector(), Path(anyHost+path).selector())
	}
	add(originalPath(u.r))
	for _, pointed := range policy.InvalidationTargets(target, u.rec.header) {
		add(cmp.Or(pointed.EscapedPath(), "/"))
	}
	for _, template := range u.rt.writeTags {
		list = append(list, Tag(u.rt.expand(template, u.r)).selector())
	}
	for _, group := range policy.ParseGroups(u.rec.header["Cache-Group-Invalidation"]) {
		list = append(list, Tag(originGroup(originOf(u.r), group)).selector(), Tag(originGroup(anyHost, group)).selector())
	}
	return list
}

// purge appends selectors on behalf of a request that wrote.
func (c *Cache) purge(ctx context.Context, selectors []invalidation.Selector) error {
	c.stats.invalidations.Add(int64(len(selectors)))
	if !c.purges.admit(time.Now().Unix()) {
		return c.purgeTogether(ctx, selectors)
	}
	records := make([]invalidation.Record, 0, len(selectors))
	for _, s := range selectors {
		records = append(records, invalidation.Record{Selector: s})
	}
	_, err := c.log.Append(ctx, records...)
	return err
}

// forwardHead lets the handler answer a HEAD that the store cannot. Its answer tells whether what is stored is still the
// same: then it is freshened, else it goes (RFC 9111 §4.3.5). Two answers tell nothing about what is stored for everyone: one to
// credentials, where the lifetime is ours, and one to a query or cookies that are hidden in a fill.
func (x *exchange) forwardHead(s *response, fwd string) {
	if s == nil || x.guarded != "" && !x.rt.fromHeaders || x.rt.hidesPart(x.r) {
		x.forward(fwd, "")
		return
	}
	u := x.newRun(nil, s, fwd)
	u.purpose = toObserve
	u.note = x.rt.c.log.Note()
	if x.state(s) == invalidation.Invalid { // it was purged since, and must not come back with a later position
		x.forward(fwd, "")
		return
	}
	ctx, ok := detached(x.r.Context(), false)
	if !ok {
		x.gone()
		return
	}
	u.said.open(ctx, x.rt)
	r := x.r.WithContext(context.WithValue(ctx, statementKey{}, &u.said))
	r.Header = r.Header.Clone() // a handler may change it; what is freshened is filed under what the client sent
	u.req = r                   // which has the path values of the tags
	u.observe()
	if u.outcome == outStale {
		restore(x.w.Header(), u.outer)
		x.serveStale(s, u.rec.status, detailError)
		return
	}
	if u.rec.status != http.StatusOK || u.newcomer() {
		return
	}
	old, head := header(s.Fields), u.rec.own()
	switch {
	case !policy.UpdatableByHead(old, head, int64(len(s.Body))):
		x.rt.c.tiers.drop(s.Key)
		return
	case !x.rt.fromHeaders && !policy.HasValidator(head):
		return // nothing shows that the content is the same, and it is not the handler who gives it another lifetime
	}
	u.update(head)
}

// observe runs the handler for a HEAD. Where it fails or panics, what is stored stands in for it as it does for a GET (RFC 5861 §4).
func (u *run) observe() {
	defer func() {
		if u.returned || u.rec.committed() || !u.mayFallBack(time.Now()) {
			return
		}
		if v := u.recovered(recover()); v != nil {
			u.outcome = outStale
		}
	}()
	u.rt.next.ServeHTTP(&u.rec, u.req)
	u.returned = true
	if u.rec.status == 0 {
		u.rec.WriteHeader(http.StatusOK)
	}
}
