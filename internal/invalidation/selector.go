package invalidation

import "github.com/cespare/xxhash/v2"

// Kind says what the value of a selector is.
type Kind byte

// The kinds of selectors: values of different kinds never meet, however they are spelled.
const (
	Key Kind = iota + 1
	Path
	Route
	Tag
	Everything
)

// Selector names what a record invalidates, as a hash of its kind and value. Two that collide are purged together: a miss, never staleness.
type Selector uint64

// All selects every stored response. No Stamp needs to list it.
const All Selector = 0

// Select returns the selector for a value of a kind. It allocates nothing and returns the same in every process.
func Select(k Kind, value string) Selector {
	if k == Everything {
		return All
	}
	var d xxhash.Digest
	d.ResetWithSeed(uint64(k))
	_, _ = d.WriteString(value) // Documented never to fail.
	if s := Selector(d.Sum64()); s != All {
		return s
	}
	return 1
}

// Record is one invalidation: hard by default, or Soft, which leaves stored responses usable as stale.
type Record struct {
	Selector Selector
	Soft     bool
}
