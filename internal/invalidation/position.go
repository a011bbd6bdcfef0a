// Package invalidation holds the invalidation log: which selectors were invalidated, in which order, and whether a stored response is still valid.
package invalidation

// Position is a place in the log. Ids compare only within an equal history and generation.
type Position struct {
	History    string // the answering Redis's master_replid; "" without Redis
	Generation uint64 // random, repeated in every record
	Millis     uint64 // first half of the stream id
	Seq        uint64 // second half
}
