package middleware

import (
	"net/http"
	"slices"
	"strings"

	"github.com/larderhq/larder/etag"
	"github.com/larderhq/larder/internal/policy"
	"github.com/larderhq/larder/internal/store"
)

// validators returns the validators that the handler gave. A tag that we made of the body is none: the handler does not know it.
func (s *response) validators() (tag, lastModified string) {
	if s.tagText != etag.Weak(s.Body) {
		tag = s.tagText
	}
	return tag, s.lastModified
}

// validatable reports whether the handler could be asked if the response is still good.
func (s *response) validatable() bool {
	tag, lastModified := s.validators()
	return tag != "" || lastModified != ""
}

// freshen updates the stored response with the handler's 304 and stores it again (RFC 9111 §4.3.4).
func (u *run) freshen() {
	old := header(u.stale.Fields)
	update := u.rec.own()
	if !policy.Updatable(old, update) {
		u.outcome = outRepeat
		return
	}
	u.update(update)
}

// update stores the response that is there again, with the fields of an answer that has no content. On a route with a lifetime of ours
// an answer to credentials needs a consent of its own: what it adds may be for one user.
func (u *run) update(update http.Header) {
	targets := u.rt.c.opt.Targets
	merged := policy.Freshen(header(u.stale.Fields), update, targets...)
	u.rec.status = u.stale.Status
	ttl, skip, tags := u.said.read()
	why := u.agree(merged, ttl)
	switch {
	case skip != "":
		why = skip
	case why == "" && !u.rt.fromHeaders && !policy.Shareable(update, targets):
		names, _ := policy.VaryNames(merged["Vary"])
		why = u.guard(names)
	}
	e := u.stale.Entry
	e.Key, e.Fields, e.Position = "", sorted(merged, u.stale.Fields), u.note.Position
	e.Tags = u.tags(append(tags, u.stale.Tags...))
	e.Terms = u.terms
	if why == "" {
		e.Fields = supply(e.Fields, "Date", dates.at(u.responded.Unix()))
		if u.store(&e) {
			return
		}
		why = detailInvalidated
		e.Fields = slices.Clone(e.Fields) // those who wait may have been given these
	}
	u.result = newResponse(&e)
	u.refuse(why)
	if u.guarded == "" { // what is updated may not be stored any more (RFC 9111 §4.3.4, §3)
		u.rt.c.tiers.drop(u.stale.Key)
	}
}

// sorted turns a header into stored fields, each appended or not as it was before.
func sorted(h http.Header, before []store.Field) []store.Field {
	fields := make([]store.Field, 0, len(h)+1)
	for name, values := range h {
		f := store.Field{Name: name, Values: values}
		if old := fieldIn(before, name); old != nil {
			f.Append = old.Append
		}
		fields = append(fields, f)
	}
	slices.SortFunc(fields, byName)
	return fields
}

func byName(a, b store.Field) int { return strings.Compare(a.Name, b.Name) }
