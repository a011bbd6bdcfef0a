// Package reference compares Larder with a slow model of RFC 9111 §3 and §4, which was written from the text of the RFC and shares no
// code with Larder. It keeps responses as they came and works everything out anew at each request.
package reference

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// ask is a request for the one URI of a model.
type ask struct {
	method string
	header http.Header
	at     time.Time
}

// answer is what the origin gave to one request.
type answer struct {
	number    int // tells answers apart; the body says it
	status    int
	header    http.Header
	requested time.Time
	received  time.Time
}

// stored is a response with the request that it answers.
type stored struct {
	answer
	asked http.Header
}

// model is a shared cache for one URI.
type model struct{ kept []*stored }

// choice is how a request is to be answered.
type choice int

const (
	forward  choice = iota // ask the origin; with a stored response, validate it
	reuse                  // answer from the store
	reuseNow               // answer from the store, and refresh it behind the client
	refuse                 // 504, nothing is stored (only-if-cached)
)

// choose is §4: which stored response to use and how.
func (m *model) choose(r ask) (*stored, choice) {
	d := r.directives()
	if r.method == http.MethodGet && d.has("no-store") && d.has("only-if-cached") {
		return nil, refuse // neither stored here nor asked for there (§5.2.1.7)
	}
	if r.method != http.MethodGet || d.has("no-store") {
		return nil, forward
	}
	s := m.find(r)
	switch {
	case s != nil && s.satisfies(d, r.at):
		if s.inWindow("stale-while-revalidate", r.at) && s.staleness(r.at) >= 0 {
			return s, reuseNow
		}
		return s, reuse
	case d.has("only-if-cached"):
		return nil, refuse
	}
	return s, forward
}

// directives are Cache-Control, or in its absence Pragma (§5.4).
func (r ask) directives() directives {
	if len(r.header["Cache-Control"]) == 0 {
		return parse(r.header["Pragma"])
	}
	return parse(r.header["Cache-Control"])
}

// find is §4.1: the most recent response whose selecting fields match. With Authorization only one that says so (§3.5).
func (m *model) find(r ask) *stored {
	for _, s := range slices.Backward(m.kept) {
		if s.matches(r.header) && (r.header["Authorization"] == nil || s.shared()) {
			return s
		}
	}
	return nil
}

func (s *stored) matches(h http.Header) bool {
	for _, name := range s.selecting() {
		if !slices.Equal(s.asked[name], h[name]) {
			return false
		}
	}
	return true
}

func (s *stored) selecting() (names []string) {
	for _, line := range s.header["Vary"] {
		for _, name := range split(line) {
			names = append(names, http.CanonicalHeaderKey(name))
		}
	}
	return names
}

// satisfies is the end of §4 with §5.2.1: fresh, or stale by permission.
func (s *stored) satisfies(d directives, now time.Time) bool {
	if s.directives().has("no-cache") || d.has("no-cache") {
		return false
	}
	age, staleness := s.age(now), s.staleness(now)
	maxAge, asked := wish(d, "max-age")
	if asked && (age > maxAge || maxAge == 0) {
		return false
	}
	if minFresh, asked := wish(d, "min-fresh"); asked && minFresh > 0 && -staleness < minFresh {
		return false
	}
	if staleness < 0 {
		return true
	}
	if s.staleForbidden() {
		return false
	}
	if s.accepted(d, staleness) {
		return true
	}
	return s.inWindow("stale-while-revalidate", now) && !asked
}

// accepted is max-stale (§5.2.1.2): without an argument any staleness will do.
func (s *stored) accepted(d directives, staleness time.Duration) bool {
	if !d.has("max-stale") {
		return false
	}
	limit := time.Duration(infinite) * time.Second
	valued := false
	for _, value := range d["max-stale"] {
		if seconds, ok := deltaSeconds(value); ok {
			limit, valued = min(limit, seconds), true
		} else if value == "" {
			valued = true
		}
	}
	return valued && staleness <= limit
}

// wish is a request directive that has a valid argument.
func wish(d directives, name string) (time.Duration, bool) {
	if !d.has(name) {
		return 0, false
	}
	return d.duration(name)
}

// directives are those of CDN-Cache-Control where it is valid (RFC 9213 §2.2), else of Cache-Control.
func (a *answer) directives() directives {
	if d, ok := a.targeted(); ok {
		return d
	}
	return parse(a.header["Cache-Control"])
}

func (a *answer) targeted() (directives, bool) {
	lines := a.header["Cdn-Cache-Control"]
	if len(lines) == 0 || !targetedFields[lines[0]] {
		return nil, false
	}
	return parse(lines), true
}

// lifetime is §4.2.1 without heuristics.
func (a *answer) lifetime() (lifetime time.Duration, explicit bool) {
	d := a.directives()
	for _, name := range []string{"s-maxage", "max-age"} {
		if d.has(name) {
			lifetime, _ = d.duration(name)
			return lifetime, true
		}
	}
	if _, targeted := a.targeted(); targeted || len(a.header["Expires"]) == 0 {
		return 0, false
	}
	expires, ok := date(a.header["Expires"])
	if !ok {
		return 0, true
	}
	generated, ok := date(a.header["Date"])
	if !ok {
		generated = a.received
	}
	return max(0, expires.Sub(generated)), true
}

// age is current_age (§4.2.3). Generated clocks that are wrong are so by far: apparent_age never counts.
func (a *answer) age(now time.Time) time.Duration {
	value := time.Duration(0)
	if lines := a.header["Age"]; len(lines) > 0 {
		value, _ = deltaSeconds(split(lines[0])[0])
	}
	return value + a.received.Sub(a.requested) + now.Sub(a.received)
}

// staleness is how long ago the lifetime ended; below zero the response is fresh (§4.2).
func (a *answer) staleness(now time.Time) time.Duration {
	lifetime, _ := a.lifetime()
	return a.age(now) - lifetime
}

// staleForbidden is §4.2.4.
func (a *answer) staleForbidden() bool {
	return a.directives().any("no-cache", "must-revalidate", "proxy-revalidate", "s-maxage")
}

// inWindow reports whether one of RFC 5861's windows is open.
func (a *answer) inWindow(name string, now time.Time) bool {
	return !a.staleForbidden() && a.staleness(now) <= a.window(name) && a.window(name) > 0
}

func (a *answer) window(name string) time.Duration {
	d := a.directives()
	if !d.has(name) {
		return 0
	}
	window, _ := d.duration(name)
	return window
}

// shared is §3.5; a Cache-Control that is partly unreadable grants nothing by s-maxage.
func (a *answer) shared() bool {
	d := a.directives()
	if d.any("public", "must-revalidate") {
		return true
	}
	for _, name := range []string{"s-maxage", "max-age", "stale-while-revalidate", "stale-if-error"} {
		if _, valid := d.duration(name); !valid {
			return false
		}
	}
	return d.has("s-maxage")
}

func (a *answer) validator() bool {
	return len(a.header["Etag"]) > 0 || len(a.header["Last-Modified"]) > 0
}

// storable is §3, and that something can come of it.
func (a *answer) storable(r ask) bool {
	d := a.directives()
	_, explicit := a.lifetime()
	switch {
	case r.method != http.MethodGet, r.directives().has("no-store"):
		return false
	case a.status == 206 || a.status == 429: // RFC 6585 §4 forbids the latter
		return false
	case d.has("must-understand") && a.status == 299:
		return false
	case d.has("no-store") && !d.has("must-understand"), d.has("private"):
		return false
	case len(a.header["Set-Cookie"]) > 0, strings.Contains(strings.Join(a.header["Vary"], ","), "*"):
		return false
	case r.header["Authorization"] != nil && !a.shared():
		return false
	case !explicit && !d.has("public") && !slices.Contains([]int{200, 203, 204, 301, 404, 410, 501}, a.status):
		return false
	}
	return a.useful()
}

// useful: a fresh response, one that may be stale, or one that can be validated.
func (a *answer) useful() bool {
	lifetime, _ := a.lifetime()
	switch {
	case a.validator():
		return true
	case a.directives().has("no-cache"):
		return false
	case lifetime > a.age(a.received):
		return true
	}
	windows := a.window("stale-while-revalidate") > 0 || a.window("stale-if-error") > 0
	return !a.staleForbidden() && (lifetime > 0 || windows)
}

// settle is what becomes of an answer to a forwarded request; it returns what the client gets, and whether it is the stored
// response in the place of an error.
func (m *model) settle(r ask, s *stored, a answer) (result *answer, standIn bool) {
	switch {
	case a.status == http.StatusNotModified:
		return m.freshen(r, s, a), false
	case slices.Contains([]int{500, 502, 503, 504}, a.status) && s != nil && s.onError(r.directives(), a.received):
		return &s.answer, true
	case a.storable(r):
		m.keep(&stored{a, r.header})
	case s != nil && r.header["Authorization"] == nil && (a.status < 400 || a.status == 404 || a.status == 410):
		m.drop(s) // §4.3.3: it is not suitable any more
	}
	return &a, false
}

// onError is RFC 5861 §4.
func (s *stored) onError(d directives, now time.Time) bool {
	if s.staleForbidden() || d.has("no-cache") {
		return false
	}
	limit := s.window("stale-if-error")
	if wished, asked := wish(d, "stale-if-error"); asked {
		limit = max(limit, wished)
	}
	return limit > 0 && s.staleness(now) <= limit
}

// freshen is §4.3.4 with §3.2.
func (m *model) freshen(r ask, s *stored, update answer) *answer {
	fresh := update
	fresh.number, fresh.status, fresh.header = s.number, s.status, s.header.Clone()
	fresh.header.Del("Age") // it tells about one message
	for name, lines := range update.header {
		fresh.header[name] = lines
	}
	switch {
	case fresh.storable(r):
		m.keep(&stored{fresh, r.header})
	case r.header["Authorization"] == nil:
		m.drop(s)
	}
	return &fresh
}

// keep replaces what the same request would have selected.
func (m *model) keep(s *stored) {
	m.kept = slices.DeleteFunc(m.kept, func(old *stored) bool { return old.matches(s.asked) && s.matches(old.asked) })
	m.kept = append(m.kept, s)
}

func (m *model) drop(s *stored) {
	m.kept = slices.DeleteFunc(m.kept, func(old *stored) bool { return old == s })
}

// invalidate is §4.4.
func (m *model) invalidate() { m.kept = nil }
