package middleware

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/larderhq/larder/etag"
	"github.com/larderhq/larder/internal/invalidation"
	"github.com/larderhq/larder/internal/policy"
	"github.com/larderhq/larder/internal/store"
)

// response is a stored response made ready to be served: what a hit needs is worked out here, once. It is immutable but for
// its caches, which are atomic, and shared by all who serve it.
type response struct {
	store.Entry
	form         string        // the entry's binary form, if it came in one to stay in memory
	fields       []store.Field // what goes out as it is stored
	lasting      []store.Field // those of them that a 304 has as well
	upstream     []string      // the Cache-Status of caches behind us
	cacheControl []string      // as stored
	expires      []string      // as stored
	date         []string      // as stored
	length       []string      // Content-Length
	tag          etag.Tag
	hasTag       bool
	tagText      string // as it is stored
	lastModified string
	stamp        invalidation.Stamp
	face         atomic.Pointer[face]
	spare        atomic.Pointer[face] // room for the first one, or nil
	replay       atomic.Pointer[replay]
	retired      atomic.Bool  // it has left memory, and has no replay any more
	used         atomic.Int64 // Unix second of the last use, for choosing among variants
}

// face is what of a response changes with the clock, good for one second of the clock, one of the response's age, and one route.
type face struct {
	rt           *route
	second       int64
	seconds      int64    // age
	cacheControl []string // nil: none is sent
	expires      []string
	cdn          []string
	date         []string
	age          []string     // nil: none is sent
	status       []string     // Cache-Status of a hit
	served       atomic.Int32 // hits
}

// newResponse takes ownership of what e points to.
func newResponse(e *store.Entry) *response {
	s := &response{Entry: *e}
	s.prepare()
	return s
}

// prepare puts the entry's fields in another order: first what a 304 has too, then what else goes out as it is stored.
func (s *response) prepare() {
	s.fields = front(s.Fields, func(f *store.Field) bool { return !s.take(f) })
	s.lasting = front(s.fields, func(f *store.Field) bool { return !describesContent(f.Name, s.hasTag) })
	if bodyAllowed(s.Status) {
		s.length = numbers.at(int64(len(s.Body)))
	}
}

// front moves those to the front that are wanted, and returns them.
func front(fields []store.Field, wanted func(*store.Field) bool) []store.Field {
	n := 0
	for i := range fields {
		if wanted(&fields[i]) {
			fields[i], fields[n] = fields[n], fields[i]
			n++
		}
	}
	return fields[:n]
}

// take notes what serving needs of a field, and reports whether that is all that is done with it.
func (s *response) take(f *store.Field) bool {
	switch f.Name {
	case "Cache-Control":
		s.cacheControl = f.Values
	case "Expires":
		s.expires = f.Values
	case "Date":
		s.date = f.Values
	case "Cache-Status":
		s.upstream = f.Values
	case "Age", "Content-Length": // reckoned anew
	case "Etag":
		s.tagText = first(f.Values)
		s.tag, s.hasTag = etag.ParseOne(s.tagText)
		return false
	case "Last-Modified":
		s.lastModified = first(f.Values)
		return false
	default:
		return false
	}
	return true
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// responseOverhead is what a response holds beside its binary form and the lists of its entry: the struct, its face and their texts,
// the selectors, the length. TestMemoryBudgetIsTheHeap measures it.
const responseOverhead = int(unsafe.Sizeof(response{})+unsafe.Sizeof(face{})) + 150

// at returns the face of the response on a route at a time, from its cache where the seconds are the same.
func (s *response) at(rt *route, now time.Time) *face {
	second, age := now.Unix(), seconds(s.Terms.Age(now))
	if f := s.face.Load(); f != nil && f.second == second && f.seconds == age && f.rt == rt {
		return f
	}
	f := s.render(rt, second, age, seconds(s.Terms.Lifetime))
	if s.used.Load() > 0 { // a response that nobody has asked for again needs no face of its own
		s.face.Store(f)
	}
	return f
}

// ended is the face of a response that was made stale before its time: nobody is told that it is fresh for what was left. Where the
// lifetime is the handler's, beside an Age, it is cut short to that.
func (s *response) ended(rt *route, now time.Time) *face {
	age := seconds(s.Terms.Age(now))
	lifetime := min(age, seconds(s.Terms.Lifetime))
	f := s.render(rt, now.Unix(), age, lifetime)
	if !rt.speaksAsOrigin(s) {
		f.cacheControl = []string{s.clientControl(maxAges.at(lifetime)[0])}
	}
	return f
}

func (s *response) render(rt *route, second, age, lifetime int64) *face {
	f := s.spare.Swap(nil)
	if f == nil {
		f = new(face)
	}
	f.rt, f.second, f.seconds = rt, second, age
	remaining := lifetime - age
	f.status = hits.at(remaining)
	if rt.c.opt.StatusKey {
		f.status = cacheStatus{ttl: remaining, key: s.Key}.list()
	}
	if len(s.upstream) > 0 {
		f.status = append(slices.Clip(s.upstream), f.status...)
	}
	if rt.speaksAsOrigin(s) {
		rt.speakAsOrigin(f, s, max(remaining, 0))
	} else {
		f.cacheControl, f.expires, f.date = s.cacheControl, s.expires, s.date
		f.age = numbers.at(age)
		if s.Terms.Private {
			f.cacheControl = []string{s.clientControl("")}
		}
	}
	if rt.hasCDN && !s.Terms.Private {
		f.cdn = rt.cdnControl(s)
	}
	return f
}

// cdnControl is the rule's CDN-Cache-Control. What one client gets beside the response, and is not stored, CDNs must not keep either.
func (rt *route) cdnControl(s *response) []string {
	freshness := maxAges.at(seconds(rt.cdn))
	if withheld := policy.Withheld(header(s.Fields), rt.c.opt.Targets...); withheld != "" {
		return []string{freshness[0] + ", " + withheld}
	}
	return freshness
}

// seconds are the whole ones of a lifetime or an age: a lifetime of 30 s is announced with 30 until one second has passed.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// speaksAsOrigin reports whether the freshness told to clients is ours to say: a fresh Date, no Age, a lifetime that counts down.
func (rt *route) speaksAsOrigin(s *response) bool {
	return s.Terms.Source == policy.Route || rt.hasBrowser || rt.purgeable(s)
}

// purgeable reports whether a purge by tag must reach clients, so that they are told no-cache.
func (rt *route) purgeable(s *response) bool {
	return !rt.hasBrowser && len(s.Tags) > 0
}

func (rt *route) speakAsOrigin(f *face, s *response, remaining int64) {
	f.date = dates.at(f.second)
	told := remaining
	if rt.hasBrowser {
		told = seconds(rt.browser)
	}
	freshness := noCache
	if !rt.purgeable(s) && (!rt.hasBrowser || told > 0) {
		freshness, f.expires = maxAges.at(told), dates.at(f.second+told)
	}
	f.cacheControl = freshness
	if len(s.cacheControl) > 0 || s.Terms.Private {
		f.cacheControl = []string{s.clientControl(freshness[0])}
	}
}

var noCache = []string{"no-cache"}

// clientControl rewrites the stored Cache-Control for clients: with the freshness that we tell them, if any, in the place of the
// handler's, and private where the response is one user's.
func (s *response) clientControl(freshness string) string {
	drop := func(directive string) bool {
		switch directive {
		case "max-age", "s-maxage", "no-cache":
			return freshness != ""
		case "stale-while-revalidate", "stale-if-error", "immutable":
			return freshness == "no-cache"
		case "public", "private", "proxy-revalidate":
			return s.Terms.Private
		}
		return false
	}
	var add []string
	if freshness != "" {
		add = append(add, freshness)
	}
	value := policy.RewriteClient(s.cacheControl, drop, add...)
	if s.Terms.Private {
		value = strings.TrimSuffix("private, "+value, ", ")
	}
	return value
}
