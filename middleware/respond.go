package middleware

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/larderhq/larder/etag"
	"github.com/larderhq/larder/internal/policy"
	"github.com/larderhq/larder/internal/store"
)

// reply is how a stored response goes out.
type reply struct {
	hit    bool         // X-Cache says Hit
	filled bool         // the handler's own fields are in place: only ours are missing
	cookie bool         // an outer middleware has set a cookie, which is in place too
	status *cacheStatus // but for the key; nil: that of a hit
}

// serve answers the request with a stored response: the whole, its head, a part, or 304.
func (x *exchange) serve(s *response, how reply, now time.Time) {
	h := x.w.Header()
	f := s.at(x.rt, now)
	if x.expired {
		f = s.ended(x.rt, now)
	}
	status, body := s.Status, s.Body
	fields := s.fields
	short := x.conditional && status == http.StatusOK && s.notModified(x.noneMatch, x.r.Header, first(s.date))
	if short {
		fields = s.lasting
	}
	empty := len(h) == 0 // nobody has set anything: there is nothing to add to or to remove
	for i := range fields {
		if f := &fields[i]; !how.filled || h[f.Name] == nil {
			put(h, f, empty)
		}
	}
	x.rt.putFace(h, s, f, how, empty)
	switch {
	case short:
		status, body = http.StatusNotModified, nil
		if !empty {
			stripContent(h)
		}
	case x.ranged && status == http.StatusOK:
		status, body = x.part(s)
	case s.length != nil:
		h["Content-Length"] = s.length
	}
	if how.hit && empty && !x.ranged && x.rt.replayable {
		x.offer(s, f, h, short)
	}
	x.w.WriteHeader(status)
	if len(body) > 0 && x.r.Method != http.MethodHead {
		x.write(body)
	}
}

// putFace sets the fields that change with the clock and with the way the response is served.
func (rt *route) putFace(h http.Header, s *response, f *face, how reply, empty bool) {
	c := rt.c
	switch {
	case !how.filled || rt.speaksAsOrigin(s):
		set(h, "Cache-Control", f.cacheControl, empty)
		set(h, "Expires", f.expires, empty)
		set(h, "Age", f.age, empty)
	case s.Terms.Private:
		set(h, "Cache-Control", f.cacheControl, empty)
	}
	set(h, "Date", f.date, empty)
	switch {
	case s.Terms.Private:
		c.untarget(h)
	case rt.hasCDN:
		set(h, "Cdn-Cache-Control", f.cdn, false) // the handler's is among the stored fields
	}
	if (how.cookie || !how.filled && !empty && len(h["Set-Cookie"]) > 0) && !s.Terms.Private {
		rt.keepPrivate(h, s)
	}
	status := f.status
	if how.status != nil {
		status = rt.missed(s, how)
	}
	if !empty {
		if there := h["Cache-Status"]; len(there) > 0 {
			status = append(slices.Clip(there), status...)
		}
	}
	h["Cache-Status"] = status
	switch {
	case c.opt.Header == "-":
	case how.hit:
		h[c.opt.Header] = xHit
	default:
		h[c.opt.Header] = xMiss
	}
	if len(rt.vary) > 0 {
		addVary(h, rt.vary)
	}
	if c.opt.AnnounceTags && len(s.Tags) > 0 {
		announce(h, s.Tags)
	}
}

// missed is what Cache-Status says where a stored response answers a request that it was not there for, or not good enough.
func (rt *route) missed(s *response, how reply) []string {
	if rt.c.opt.StatusKey {
		how.status.key = s.Key
	}
	if how.filled { // what an origin or another cache behind us has said is in place
		return how.status.list()
	}
	return append(slices.Clip(s.upstream), how.status.list()...)
}

// keepPrivate is for a response beside which an outer middleware gives this client a cookie: where the freshness is ours to say, no
// shared cache downstream may keep both on our word. What CDN says always is ours.
func (rt *route) keepPrivate(h http.Header, s *response) {
	if !rt.speaksAsOrigin(s) {
		if rt.hasCDN {
			delete(h, "Cdn-Cache-Control")
		}
		return
	}
	shared := func(directive string) bool {
		return slices.Contains([]string{"public", "private", "s-maxage", "proxy-revalidate"}, directive)
	}
	h["Cache-Control"] = []string{policy.RewriteClient(h["Cache-Control"], shared, "private")}
	rt.c.untarget(h)
}

// untarget removes what tells shared caches downstream, over the head of Cache-Control, that they may keep a response (RFC 9213): the
// fields that we obey, and those that other caches do, by the names which such fields have.
func (c *Cache) untarget(h http.Header) {
	for name := range h {
		if name == "Surrogate-Control" || strings.HasSuffix(name, "-Cache-Control") || slices.Contains(c.opt.Targets, name) {
			delete(h, name)
		}
	}
}

// set assigns values, which have no room behind them. Where they are nil it removes the field, unless the header was empty anyway.
func set(h http.Header, name string, values []string, empty bool) {
	switch {
	case values != nil:
		h[name] = values
	case !empty:
		delete(h, name)
	}
}

// put replays a stored field as the handler left it: in the place of what an outer middleware set, or behind it.
func put(h http.Header, f *store.Field, empty bool) {
	if f.Append && !empty {
		if there := h[f.Name]; len(there) > 0 {
			h[f.Name] = append(slices.Clip(there), f.Values...)
			return
		}
	}
	h[f.Name] = f.Values
}

// notModified evaluates a request's conditions against a 200 of this date (RFC 9111 §4.3.2). If-Modified-Since counts only where
// If-None-Match, which is asked for once, is absent (RFC 9110 §13.2.2).
func (s *response) notModified(noneMatch []string, h http.Header, date string) bool {
	if len(noneMatch) > 0 {
		return s.matches(noneMatch)
	}
	return !policy.ModifiedSince(h["If-Modified-Since"], s.lastModified, date)
}

// matches reports whether the lines of an If-None-Match match the response; the wildcard does also where it has no tag. A handler may
// send a malformed tag, such as one without quotes. It cannot be compared, but a client that sends the same text has that response.
func (s *response) matches(lines []string) bool {
	switch {
	case len(lines) == 1 && s.tagText != "" && lines[0] == s.tagText:
		return true
	case s.hasTag:
		return etag.Match(lines, s.tag)
	}
	_, star := etag.Parse(lines)
	return star
}

// describesContent reports whether a field has no place in a 304 (RFC 9110 §15.4.5).
func describesContent(name string, hasTag bool) bool {
	switch name {
	case "Content-Type", "Content-Encoding", "Content-Language", "Content-Length":
		return true
	case "Last-Modified":
		return hasTag
	}
	return false
}

// stripContent removes from a 304 what others have set of such fields.
func stripContent(h http.Header) {
	for name := range h {
		if describesContent(name, len(h["Etag"]) > 0) {
			delete(h, name)
		}
	}
}

// write sends body; a client that has gone is nobody's error.
func (x *exchange) write(body []byte) {
	if _, err := x.w.Write(body); err != nil {
		x.value = store.Value{} // which may still be on its way
		x.rt.c.logger.Debug("larder: client gone", "error", err)
	}
}

// addVary adds the names to Vary that are not there yet.
func addVary(h http.Header, names []string) {
	if len(h["Vary"]) == 0 {
		h["Vary"] = slices.Clip(names)
		return
	}
	there, star := policy.VaryNames(h["Vary"])
	if star {
		return
	}
	for _, name := range names {
		if !slices.Contains(there, name) {
			h.Add("Vary", name)
		}
	}
}
