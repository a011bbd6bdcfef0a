package middleware

import (
	"crypto/tls"
	"hash/maphash"
	"log/slog"
	"maps"
	"math/bits"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/larderhq/larder/internal/invalidation"
	"github.com/larderhq/larder/internal/store"
)

// replay is the whole answer to a request line, for as long as the clock changes nothing in it: a second at most. A request that says
// nothing else that matters needs no key, no look-up and no verdict then, only the proof that nothing was invalidated, and takes half the
// time. It is immutable.
type replay struct {
	rt      *route
	s       *response
	line    line
	until   time.Duration // since epoch
	fields  []store.Field // those that a 304 has as well come first
	lasting int           // how many these are
	slot    *atomic.Pointer[replay]
}

// newReplays makes room for the replays of a memory tier of so many bytes, of which the table itself takes a 256th.
func newReplays(memory int64) []atomic.Pointer[replay] {
	return make([]atomic.Pointer[replay], 1<<bits.Len64(uint64(min(max(memory>>12, 1<<5), 1<<15))))
}

// slot is the one place for the replay of a request's line: where another one has it, the request takes the longer way.
func (rt *route) slot(r *http.Request) *atomic.Pointer[replay] {
	all := rt.c.replays
	return &all[(maphash.String(rt.seed, r.RequestURI)^maphash.String(rt.seed, r.Host))&uint64(len(all)-1)]
}

// mayReplay reports whether a hit of the route depends on no more than the request line.
func (rt *route) mayReplay() bool {
	return rt.c.tiers.memory != nil && len(rt.params)+len(rt.headers)+len(rt.cookies) == 0 && rt.user == nil && !rt.ahead
}

// replay answers a request that is like those that were answered lately, and reports false where it takes the longer way to be sure.
func (rt *route) replay(w http.ResponseWriter, r *http.Request, f *asking) bool {
	h := w.Header()
	if !rt.replayable || len(h) > 0 || r.Method != http.MethodGet || r.ContentLength != 0 || r.URL.User != nil {
		return false
	}
	a := rt.slot(r).Load()
	if a == nil || a.rt != rt || !a.line.is(r) {
		return false
	}
	if !rt.plain(f, r.TLS) || !a.usable() || rt.c.logger.Enabled(r.Context(), slog.LevelDebug) {
		return false
	}
	fields, status, body := a.fields, a.s.Status, a.s.Body
	if f.noneMatch != nil {
		if status != http.StatusOK || f.noneMatch[0] != a.s.tagText {
			return false
		}
		fields, status, body = fields[:a.lasting], http.StatusNotModified, nil
	}
	if rt.c.stats.hits.near(r).Add(1)%tellEvery == 0 {
		rt.c.tiers.memory.Load(a.s.Key)
	}
	for i := range fields {
		h[fields[i].Name] = fields[i].Values
	}
	w.WriteHeader(status)
	if len(body) > 0 {
		_, _ = w.Write(body) // a client that has gone is nobody's error
	}
	return true
}

// plain reports whether nothing in the request but its line, and If-None-Match, may matter.
func (rt *route) plain(f *asking, conn *tls.ConnectionState) bool {
	return len(f.cacheControl)+len(f.pragma)+len(f.upgrade) == 0 && !f.precondition && !f.authorization && !f.ranged &&
		(!f.conditional || f.noneMatch != nil) &&
		(f.connection == nil || len(f.connection) == 1 && (f.connection[0] == "keep-alive" || f.connection[0] == "close")) &&
		(f.cookie == nil || (rt.public || rt.fromHeaders || rt.hasCookies) && rt.c.opt.ReadYourWrites == "") &&
		(conn == nil || len(conn.PeerCertificates) == 0)
}

// usable reports whether a replay may answer a request that arrives now. Where the invalidation log is in this process there is no lease to
// judge, and the monotonic clock alone takes half as long to read as both.
func (a *replay) usable() bool {
	log := a.rt.c.log
	if a.rt.c.opt.Redis == nil {
		return time.Since(epoch) < a.until && log.Usable(&a.s.stamp, time.Time{}) == invalidation.Valid
	}
	now := time.Now()
	return now.Sub(epoch) < a.until && log.Usable(&a.s.stamp, now) == invalidation.Valid
}

// epoch is an instant to reckon from by the monotonic clock.
var epoch = time.Now()

const (
	// tellEvery is which of the replays the memory tier learns of, so that it keeps what is asked for often.
	tellEvery = 17
	// coolsAfter is how long a response keeps a replay that is over.
	coolsAfter = time.Second
)

// replayAfter is how many hits while the clock changes nothing make a replay worth its making, which costs as much as one, and its memory,
// which holds fewer entries for it. A quarter of them does where there was one until now. Tests change it.
var replayAfter int32 = 16

// offer makes a replay of a hit, where h is its complete header, if there are many of the kind and the place is free.
func (x *exchange) offer(s *response, f *face, h http.Header, short bool) {
	now, old, worth := x.arrived.Sub(epoch), s.replay.Load(), replayAfter
	if old != nil {
		worth /= 4
	}
	switch n := f.served.Add(1); {
	case old.current(now):
	case old != nil && !old.current(now-coolsAfter):
		if s.replay.CompareAndSwap(old, nil) {
			old.withdraw()
			x.rt.c.tiers.memory.Reweigh(s.Key)
		}
	case n >= worth:
		if short {
			h = s.whole(h)
		}
		x.makeReplay(s, old, now, h)
	}
}

// whole is the header of a 200, where h is that of a 304.
func (s *response) whole(h http.Header) http.Header {
	h = maps.Clone(h)
	for i := range s.fields {
		put(h, &s.fields[i], true)
	}
	h["Content-Length"] = s.length
	return h
}

// makeReplay makes the replay of a 200 or another whole answer, if its place is free and memory, which is to end it, has the response.
func (x *exchange) makeReplay(s *response, old *replay, now time.Duration, h http.Header) {
	k, slot := x.rt.c.tiers.load(x.key), x.rt.slot(x.r)
	there, left := slot.Load(), s.unchanged(x.arrived)
	if k == nil || k.opened.Load() != s || left <= 0 || there.current(now) {
		return
	}
	a := &replay{rt: x.rt, s: s, line: old.lineOf(x.r), until: now + left, slot: slot, fields: make([]store.Field, 0, len(h))}
	for name, values := range h {
		a.fields = append(a.fields, store.Field{Name: name, Values: slices.Clip(values)})
	}
	a.lasting = len(front(a.fields, func(f *store.Field) bool { return !describesContent(f.Name, s.hasTag) }))
	if !s.replay.CompareAndSwap(old, a) {
		return
	}
	slot.CompareAndSwap(there, a)
	old.withdraw()
	if s.retired.Load() || s.replay.Load() != a { // meanwhile
		a.withdraw()
	}
	if old == nil {
		x.rt.c.tiers.memory.Reweigh(s.Key)
	}
}

// lineOf is the line of a request, in the texts of the last replay where they are the same.
func (a *replay) lineOf(r *http.Request) line {
	if a != nil && a.line.is(r) {
		return a.line
	}
	return lineOf(r).clone()
}

// unchanged is for how long the clock changes nothing in a hit: neither the second nor the age, nor that it is fresh.
func (s *response) unchanged(now time.Time) time.Duration {
	second := time.Second - time.Duration(now.Nanosecond())
	age := time.Second - s.Terms.Age(now)%time.Second
	return min(second, age, s.Terms.Remaining(now))
}

func (a *replay) current(now time.Duration) bool { return a != nil && now < a.until }

// withdraw lets nobody find a any more, nor what it holds on to.
func (a *replay) withdraw() {
	if a != nil {
		a.slot.CompareAndSwap(a, nil)
	}
}

// retire ends the replay of what memory no longer holds.
func (k *kept) retire() {
	if s := k.opened.Load(); s != nil {
		s.retired.Store(true)
		s.replay.Load().withdraw()
	}
}

// size is what a replay takes in memory.
func (a *replay) size() int {
	if a == nil {
		return 0
	}
	return int(unsafe.Sizeof(*a)) + len(a.fields)*int(unsafe.Sizeof(store.Field{})) + a.line.size()
}
