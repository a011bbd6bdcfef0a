package reference

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// targetedFields are values of CDN-Cache-Control, and whether they parse as a Dictionary (RFC 9213 §2.1).
var targetedFields = map[string]bool{
	"max-age=30": true, "max-age=0": true, "no-store": true, "no-cache": true, "private": true, "none": true,
	"must-revalidate, max-age=20": true,
	"Max-Age=30":                  false, "max-age=": false, "no-store, &": false, "": false,
}

// dice draws the parts of messages.
type dice struct{ *rand.Rand }

func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

func pick[T any](d dice, list ...T) T { return list[d.IntN(len(list))] }

// pause is shorter than limit, and often whole seconds: what matters is what happens at the very end of a lifetime.
func (d dice) pause(limit time.Duration) time.Duration {
	pause := time.Duration(d.Int64N(int64(limit)))
	if d.chance(70) {
		return pause.Truncate(time.Second)
	}
	return pause.Truncate(time.Millisecond)
}

// seconds is an argument: mostly a few seconds, sometimes more, sometimes none that is valid.
func (d dice) seconds() string {
	switch n := d.IntN(40); {
	case n < 20:
		return strconv.Itoa(d.IntN(30))
	case n < 30:
		return strconv.Itoa(d.IntN(300))
	case n < 33:
		return `"` + strconv.Itoa(d.IntN(60)) + `"`
	case n < 35:
		return "00" + strconv.Itoa(d.IntN(60))
	case n < 37:
		return "99999999999999999999"
	}
	return pick(d, "x", "-1", "1.5", "1s", "'5'")
}

// spelled is a directive's name in some case.
func (d dice) spelled(name string) string {
	return pick(d, name, name, name, strings.ToUpper(name), strings.ToUpper(name[:1])+name[1:])
}

// cacheControl writes directives on one line or two.
func (d dice) cacheControl(h http.Header, members []string) {
	d.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	for len(members) > 0 {
		n := 1 + d.IntN(len(members))
		h.Add("Cache-Control", strings.Join(members[:n], pick(d, ", ", ",", " , ", ",,")))
		members = members[n:]
	}
}

// request draws a request's fields.
func (d dice) request() http.Header {
	h := http.Header{}
	var members []string
	for _, name := range []string{"max-age", "max-stale", "min-fresh", "stale-if-error"} {
		if d.chance(8) {
			members = append(members, d.spelled(name)+"="+d.seconds())
		}
	}
	for _, name := range []string{"max-stale", "no-cache", "no-store", "only-if-cached", "foo"} {
		if d.chance(3) {
			members = append(members, d.spelled(name))
		}
	}
	d.cacheControl(h, members)
	if d.chance(3) {
		h.Set("Pragma", "no-cache")
	}
	if d.chance(8) {
		h.Set("Authorization", "Basic YTpi")
	}
	if d.chance(50) {
		h.Set("Foo", pick(d, "1", "2"))
	}
	return h
}

// scenario fixes what stays the same for one URI.
type scenario struct {
	dice
	vary   []string // lines; the fields that select do not change
	errors bool     // the origin fails sometimes; else what it says may be used while it is refreshed
}

func newScenario(d dice) *scenario {
	return &scenario{dice: d, vary: pick(d, nil, nil, []string{"Foo"}, []string{"foo", "Bar"}), errors: d.chance(50)}
}

// response draws what the origin answers at now.
func (s *scenario) response(now time.Time) (status int, h http.Header) {
	h = http.Header{}
	s.lifetime(h, now)
	s.clock(h, now)
	if s.chance(40) {
		h.Set("Etag", fmt.Sprintf(`"%d"`, s.IntN(1000)))
	}
	if s.chance(20) {
		h.Set("Last-Modified", now.Add(-time.Hour).Format(http.TimeFormat))
	}
	if s.chance(3) {
		h.Set("Set-Cookie", "a=b")
	}
	for _, line := range s.vary {
		h.Add("Vary", line)
	}
	if s.chance(2) {
		h.Add("Vary", "*")
	}
	return s.status(), h
}

func (s *scenario) status() int {
	switch n := s.IntN(100); {
	case n < 70:
		return 200
	case n < 78 || !s.errors:
		return pick(s.dice, 203, 204, 206, 299, 301, 302, 403, 404, 410, 429)
	}
	return pick(s.dice, 500, 501, 502, 503, 504)
}

// lifetime sets what §4.2.1 and §5.2.2 speak of.
func (s *scenario) lifetime(h http.Header, now time.Time) {
	var members []string
	add := func(percent int, member string) {
		if s.chance(percent) {
			members = append(members, member)
		}
	}
	add(75, s.spelled("max-age")+"="+s.seconds())
	add(5, "max-age="+s.seconds())
	add(10, s.spelled("s-maxage")+"="+s.seconds())
	if !s.errors {
		add(30, "stale-while-revalidate="+s.seconds())
	}
	add(40, "stale-if-error="+s.seconds())
	for _, name := range []string{"must-revalidate", "proxy-revalidate", "no-cache", "no-store", "private", "must-understand"} {
		add(3, s.spelled(name))
	}
	add(10, "public")
	add(10, `foo="no-store, max-age=7"`)
	s.cacheControl(h, members)
	if s.chance(15) {
		h.Set("Expires", pick(s.dice, "0", "soon", now.Add(time.Duration(s.IntN(60))*time.Second).Format(http.TimeFormat)))
	}
	if s.chance(2) {
		h.Add("Expires", now.Format(http.TimeFormat))
	}
	s.targeted(h)
}

// targeted sets CDN-Cache-Control to one of targetedFields.
func (s *scenario) targeted(h http.Header) {
	if s.chance(8) {
		h.Set("Cdn-Cache-Control", pick(s.dice, slices.Sorted(maps.Keys(targetedFields))...))
	}
}

// clock sets Date and Age: a Date that is wrong is so by far.
func (s *scenario) clock(h http.Header, now time.Time) {
	h.Set("Date", now.Format(http.TimeFormat))
	if s.chance(15) {
		h.Set("Date", pick(s.dice, "today", now.Add(-time.Hour).Format(http.TimeFormat), now.Add(time.Hour).Format(http.TimeFormat)))
	}
	if s.chance(15) {
		h.Add("Age", pick(s.dice, "0", "5", "17, 3", "x", "-1", "1.5", "100"))
	}
	if s.chance(2) {
		h.Add("Age", "50")
	}
}

// update draws the fields of a 304: some of those that a response could have.
func (s *scenario) update(now time.Time) http.Header {
	_, h := s.response(now)
	for _, name := range []string{"Etag", "Last-Modified"} {
		h.Del(name)
	}
	if s.chance(50) {
		h.Del("Cache-Control")
	}
	return h
}
