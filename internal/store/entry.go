// Package store keeps stored responses: the entry, its binary form, the memory tier and the Redis tier.
package store

import (
	"time"

	"github.com/larderhq/larder/internal/invalidation"
	"github.com/larderhq/larder/internal/policy"
)

// Field is one header field of a stored response, its lines in the order the handler set them.
type Field struct {
	Name   string   // canonical form
	Values []string // capacity clipped to length; may be empty (a handler that set nil to suppress a default)
	Append bool     // the handler added to what an outer middleware had set; replay appends as well
}

// Entry is one stored response, or, with Variants, the list of a key's variants. It is immutable once stored.
type Entry struct {
	Key      string // the whole key, variant included
	Target   string // host and path that it answers, compared on reuse
	Status   int
	Fields   []Field
	Body     []byte
	Terms    policy.Terms
	Cost     time.Duration // what the handler took to answer
	Tags     []string
	Position invalidation.Position // noted before the handler ran
	Variants *Variants             // not nil: this is no response but the key's index of variants
}

// Variants says by which request fields a key's responses vary and which variants are stored.
type Variants struct {
	Names []string // selecting field names, canonical, sorted
	Keys  []string // keys of the stored variants, the oldest first
}
