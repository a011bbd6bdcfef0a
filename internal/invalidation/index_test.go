package invalidation

import (
	"math"
	"testing"
)

func TestPackedIDsKeepTheirOrder(t *testing.T) {
	for _, test := range []struct {
		name         string
		purge, entry id
		want         bool
	}{
		{"earlier", id{5, 1}, id{5, 2}, false},
		{"the same", id{5, 1}, id{5, 1}, false},
		{"later by a record", id{5, 2}, id{5, 1}, true},
		{"later by a millisecond", id{6, 0}, id{5, maxSeq - 1}, true},
		{"beyond the sequence: perhaps later", id{5, maxSeq + 7}, id{5, maxSeq + 8}, true},
		{"the millisecond after that", id{5, maxSeq + 7}, id{6, 0}, false},
		{"beyond the milliseconds: perhaps later", id{math.MaxUint64, 0}, id{math.MaxUint64, 1}, true},
		{"never purged", id{}, id{}, false},
	} {
		if got := overtakes(test.purge.packed(), test.entry.packed()); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestIndex(t *testing.T) {
	var x, y index
	a, b := Selector(1)<<60, Selector(2)<<60
	if x.overtook(0, []Selector{a, b}) {
		t.Error("an empty index invalidates")
	}
	if !x.raise(a, 5) || x.raise(a, 5) || x.raise(a, 4) {
		t.Error("raise reports what it did not do, or does not report what it did")
	}
	y.raise(a, 3)
	y.raise(b, 8)
	x.merge(&y)
	for _, test := range []struct {
		selector Selector
		entry    uint64
		want     bool
	}{{a, 4, true}, {a, 5, false}, {b, 7, true}, {b, 8, false}, {a + 1, 4, true}, {Selector(3) << 60, 0, false}} {
		if got := x.overtook(test.entry, []Selector{test.selector}); got != test.want {
			t.Errorf("%x at %d: %v", test.selector, test.entry, got)
		}
	}
	y.raise(All, 9)
	x.merge(&y)
	if !x.overtook(8, nil) || x.overtook(9, nil) {
		t.Error("everything is not overtaken by All")
	}
}
