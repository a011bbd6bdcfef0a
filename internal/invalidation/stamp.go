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

// Stamp returns the stamp of a response that this process filled. It keeps selectors, which the caller must not change afterwards:
// the response's key, path, route and tags.
func (n Note) Stamp(selectors []Selector) *Stamp {
	s := n.Position.Stamp(selectors)
	s.here, s.began, s.local = true, at(n.Began), n.Local
	return s
}

// Stamp returns the stamp of a response that came from a store with its position. It keeps selectors, as Note.Stamp does.
func (p Position) Stamp(selectors []Selector) *Stamp {
	return &Stamp{position: p, packed: p.id().packed(), selectors: selectors, began: never}
}

// Position returns the position noted before the response's handler ran.
func (s *Stamp) Position() Position { return s.position }

// Supersedes says whether a response may take the place of old, which may be nil: not if both were filled here and the handler of old began later.
func (s *Stamp) Supersedes(old *Stamp) bool {
	return old == nil || !old.here || !s.here || old.began.mono <= s.began.mono
}

const stateBits = 2

// recall returns the last judgement if it was made at this version.
func (s *Stamp) recall(version uint64) (State, bool) {
	memo := s.memo.Load()
	return State(memo & (1<<stateBits - 1)), memo>>stateBits == version
}

func (s *Stamp) remember(version uint64, state State) {
	s.memo.Store(version<<stateBits | uint64(state))
}
