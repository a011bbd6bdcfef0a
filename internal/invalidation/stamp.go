package invalidation

import (
	"sync/atomic"
	"time"
)

// State is what the log says about a stored response.
type State byte

// Invalid responses must not be used, Expired ones only as stale, Valid ones as their lifetime says.
const (
	Invalid State = iota
	Expired
	Valid
)

// Note is what a fill takes down before its handler runs, so that whatever is invalidated from then on counts against it.
type Note struct {
	Position Position
	Local    uint64    // own purges begun so far
	Began    time.Time // with its monotonic reading
}

// Origin is what this process remembers of a fill of its own, beside the position. The zero value is that of a response which came
// from a store.
type Origin struct {
	began instant // of the handler
	local uint64  // own purges begun before it
}

// Origin returns the origin of a response that was filled under the note.
func (n Note) Origin() Origin { return Origin{at(n.Began), n.Local} }

func (o Origin) here() bool { return o != Origin{} }

// Supersedes says whether a response may take the place of one of another origin: not if both were filled here and the handler of the
// old one began later.
func (o Origin) Supersedes(old Origin) bool {
	return !old.here() || !o.here() || old.began.mono <= o.began.mono
}

// Stamp goes with one stored response in this process and must not be copied. It holds what Usable judges by, and what it judged last.
type Stamp struct {
	position  Position
	packed    uint64
	selectors []Selector
	here      bool    // filled by this process
	began     instant // of the handler, if filled here
	local     uint64  // own purges begun before it, if filled here
	memo      atomic.Uint64
}

// Init makes s the stamp of a response with this position and origin. It keeps selectors, which the caller must not change afterwards:
// the response's key, path, route and tags.
func (s *Stamp) Init(p Position, o Origin, selectors []Selector) {
	s.position, s.packed, s.selectors = p, p.id().packed(), selectors
	s.here, s.began, s.local = o.here(), o.began, o.local
	if !s.here {
		s.began = never
	}
}

// BegunSince says whether the handler began in this process after a request had arrived. Then the response is good for that request,
// whatever was invalidated meanwhile.
func (s *Stamp) BegunSince(arrived time.Time) bool { return s.here && s.began.mono >= at(arrived).mono }

const stateBits = 2

// recall returns the last judgement if it was made at this version.
func (s *Stamp) recall(version uint64) (State, bool) {
	memo := s.memo.Load()
	return State(memo & (1<<stateBits - 1)), memo>>stateBits == version
}

func (s *Stamp) remember(version uint64, state State) {
	s.memo.Store(version<<stateBits | uint64(state))
}
