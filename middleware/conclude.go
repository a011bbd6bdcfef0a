package middleware

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/larderhq/larder/etag"
	"github.com/larderhq/larder/internal/invalidation"
	"github.com/larderhq/larder/internal/policy"
	"github.com/larderhq/larder/internal/store"
)

// conclude works out what becomes of the answer of a handler that has returned.
func (u *run) conclude() {
	rec := &u.rec
	late := u.ctx.Err() != nil
	switch {
	case late && rec.open() && u.mayFallBack(time.Now()):
		u.fail(detailTimeout, outStale)
		return
	case late && rec.status == 0: // an implicit 200 would be a lie
		u.fail(detailTimeout, outTimeout)
		return
	}
	rec.complete()
	switch {
	case u.outcome == outFreshened:
		u.freshen()
	case u.outcome == outStale:
		u.fail(detailError, outStale)
	case rec.mode == holding || rec.mode == teeing:
		u.keep(late)
	default:
		u.outcome = outCommitted
	}
}

// fail ends the run without an answer that may be stored or shared.
func (u *run) fail(why string, o outcome) {
	u.reason, u.outcome = why, o
	u.rt.note(u.r, "larder: not stored", why)
	u.land(failed, nil)
}

// keep stores the recorded response if it still may.
func (u *run) keep(late bool) {
	committed := u.rec.mode == teeing
	u.outcome = outRaw
	if committed {
		u.outcome = outCommitted
	}
	ttl, skip, tags := u.said.read()
	why := u.shortcoming(late, skip)
	if why == "" && ttl != u.ttl { // the handler said it behind its header
		why = u.agree(u.rec.own(), ttl)
	}
	if why == "" && !u.rt.budget.take(u.responded, u.stale != nil) {
		why = detailBudget
	}
	if why != "" {
		if inconclusive(why) {
			u.fail(why, u.outcome)
			return
		}
		u.refuse(why)
		return
	}
	e := u.entry(tags)
	if !u.store(&e) {
		u.refuse(detailInvalidated)
		return
	}
	if !committed {
		u.outcome = outStored
	}
}

// inconclusive reports whether a response was not stored since its run failed, which says nothing of the next one.
func inconclusive(why string) bool {
	return why == detailTimeout || why == detailIncomplete || why == detailError
}

// shortcoming says what the finished response lacks to be stored (RFC 9111 §3.3).
func (u *run) shortcoming(late bool, skip string) string {
	rec := &u.rec
	switch {
	case late:
		return detailTimeout
	case rec.broken:
		return detailError
	case rec.declared >= 0 && int64(len(rec.body)) != rec.declared && bodyAllowed(rec.status):
		return detailIncomplete
	case skip != "":
		return skip
	case bearsNonce(u.outer, rec.body):
		return detailNonce
	}
	for name := range rec.header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			return detailTrailer
		}
	}
	return ""
}

// bearsNonce reports whether a body holds the nonce of a Content-Security-Policy that an outer middleware has set. The next client
// is given another one, and his browser would run none of the page's scripts.
func bearsNonce(outer []store.Field, body []byte) bool {
	for _, name := range [...]string{"Content-Security-Policy", "Content-Security-Policy-Report-Only"} {
		f := fieldIn(outer, name)
		if f == nil {
			continue
		}
		for _, source := range strings.Split(strings.Join(f.Values, " "), "'nonce-")[1:] {
			nonce, _, _ := strings.Cut(source, "'")
			nonce = strings.TrimRight(nonce, "=") // html/template escapes it where there are no quotes, and "+" everywhere
			escaped := strings.ReplaceAll(nonce, "+", "&#43;")
			if nonce != "" && (bytes.Contains(body, []byte(nonce)) || bytes.Contains(body, []byte(escaped))) {
				return true
			}
		}
	}
	return false
}

// entry is the recorded response as it is stored.
func (u *run) entry(tags []string) store.Entry {
	now := time.Now()
	if u.terms.Source == policy.Route { // our lifetime begins when the response goes out
		u.terms.ResponseTime = now.UnixNano()
	}
	return store.Entry{
		Target:   u.target(),
		Status:   u.rec.status,
		Fields:   u.fields(),
		Body:     u.rec.body,
		Terms:    u.terms,
		Cost:     now.Sub(u.began),
		Tags:     u.tags(tags),
		Position: u.note.Position,
	}
}

// target is the host and path that was asked for, as a part of the key where it is one.
func (u *run) target() string {
	var room [256]byte
	target := u.rt.appendTarget(room[:0], u.r)
	if i := strings.Index(u.key, alias(target)); i >= 0 {
		return u.key[i : i+len(target)]
	}
	return string(target)
}

// fields are those that are stored, with what a response needs to be served well and the handler has not said.
func (u *run) fields() []store.Field {
	rec := &u.rec
	fields := supply(rec.storable(), "Date", dates.at(u.responded.Unix()))
	if rec.status == http.StatusOK && !hasField(fields, "Etag") {
		fields, u.tagged = supply(fields, "Etag", rec.room.list(etag.Weak(rec.body))), true
	}
	coded := hasField(rec.fields, "Content-Encoding") && len(rec.own()["Content-Encoding"]) > 0 // and not by an outer middleware, on the way out
	if len(rec.body) > 0 && !hasField(rec.fields, "Content-Type") && !coded {
		fields = supply(fields, "Content-Type", rec.room.list(http.DetectContentType(rec.body)))
	}
	slices.SortFunc(fields, byName)
	return fields
}

// tags are those of the route, with the path values filled in, and those that the handler named.
func (u *run) tags(said []string) []string {
	if len(u.rt.tags) == 0 {
		return uniqueSorted(said)
	}
	for _, template := range u.rt.tags {
		said = append(said, u.rt.expand(template, u.req))
	}
	return uniqueSorted(said)
}

// made is a response with room for what else it takes to serve it. That of a run is in one piece with the run, as memory keeps none
// but the binary form.
type made struct {
	response
	selectors [6]invalidation.Selector
	face      face
}

// furnish lets the response use its room.
func (m *made) furnish() { m.spare.Store(&m.face) }

// of makes it the response of an entry.
func (m *made) of(e *store.Entry) *response {
	m.Entry = *e
	m.furnish()
	m.prepare()
	return &m.response
}

// store keeps an entry and shares it with those who wait. It reports false where the entry was invalidated meanwhile.
func (u *run) store(e *store.Entry) bool {
	c := u.rt.c
	s := u.made.of(e)
	origin := u.note.Origin()
	s.stamp.Init(u.note.Position, origin, u.rt.selectors(u.made.selectors[:0], u.r, u.key, e))
	names := u.selecting(s)
	if c.log.Usable(&s.stamp, u.began) != invalidation.Valid {
		u.overtake(s, names)
		return false
	}
	variant := func(names []string) string { return string(appendVariant([]byte(u.key), names, u.r)) }
	validatable := s.lastModified != "" || !u.tagged && s.validatable() // a tag that we made is none to the handler
	u.rec.body = nil                                                    // the stored form has it: a client that takes its time holds it once
	u.saved = c.tiers.save(s, origin, u.key, names, variant, e.Terms.Retention(validatable))
	u.result = s
	c.stats.stores.Add(1)
	c.logKey(u.r.Context(), "larder: key stored", s.Key)
	if s.Terms.AlwaysValidate || s.Terms.Remaining(time.Now()) <= 0 {
		u.land(refused, nil) // stored to be validated, which each does for himself
		return true
	}
	c.refusals.end(s.Key) // what may be shared now is waited for again, however briefly it stays fresh
	u.land(shared, s)
	return true
}

// overtake gives what was purged before it could be stored to those who wait and came before its handler began. While purges come
// faster than the handler answers, everyone would otherwise wait in vain, and then run it himself. Of a response that varies, no
// index says whose it is.
func (u *run) overtake(s *response, names []string) {
	if len(names) > 0 || u.rt.c.tiers.index([]byte(u.key)) != nil {
		u.land(overtaken, nil)
		return
	}
	s.Key = u.key
	u.land(overtaken, s)
}
