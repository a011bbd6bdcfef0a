package invalidation

import "sync/atomic"

// An index has 2^20 slots, so that its memory is bounded whoever purges how much. They come in pages: a log without purges has none.
const (
	pageBits = 10
	pageSize = 1 << pageBits
	slotBits = 2 * pageBits
)

type page [pageSize]atomic.Uint64

// index remembers the packed id of the last record per slot. Any number may read while one writes, under the core's mutex.
type index struct {
	all   atomic.Uint64 // apart, because a selector that shared this slot would purge everything
	pages [pageSize]atomic.Pointer[page]
}

func slot(s Selector) (uint64, uint64) {
	n := uint64(s) >> (64 - slotBits)
	return n >> pageBits, n & (pageSize - 1)
}

// raise records an invalidation of s at p and says whether that changed anything.
func (x *index) raise(s Selector, p uint64) bool {
	cell := &x.all
	if s != All {
		i, j := slot(s)
		if x.pages[i].Load() == nil {
			x.pages[i].Store(new(page))
		}
		cell = &x.pages[i].Load()[j]
	}
	if cell.Load() >= p {
		return false
	}
	cell.Store(p)
	return true
}

// overtook says whether any of the selectors, or everything, was invalidated after p.
func (x *index) overtook(p uint64, selectors []Selector) bool {
	if overtakes(x.all.Load(), p) {
		return true
	}
	for _, s := range selectors {
		if s != All && overtakes(x.last(s), p) {
			return true
		}
	}
	return false
}

func (x *index) last(s Selector) uint64 {
	i, j := slot(s)
	if p := x.pages[i].Load(); p != nil {
		return p[j].Load()
	}
	return 0
}

// merge raises every slot to what y holds.
func (x *index) merge(y *index) {
	x.all.Store(max(x.all.Load(), y.all.Load()))
	for i := range y.pages {
		theirs := y.pages[i].Load()
		if theirs == nil {
			continue
		}
		if x.pages[i].Load() == nil {
			x.pages[i].Store(new(page))
		}
		ours := x.pages[i].Load()
		for j := range theirs {
			ours[j].Store(max(ours[j].Load(), theirs[j].Load()))
		}
	}
}
