package invalidation

import (
	"cmp"
	"math"
)

// Position is a place in the log. Ids compare only within an equal history and generation.
type Position struct {
	History    string // the answering Redis's master_replid; "" without Redis
	Generation uint64 // random, repeated in every record
	Millis     uint64 // first half of the stream id
	Seq        uint64 // second half
}

// id is the half of a position that orders records: a stream id, or a counter in process.
type id struct{ millis, seq uint64 }

func (p Position) id() id { return id{p.Millis, p.Seq} }

// sameLog says whether the ids of p and q may be compared at all.
func (p Position) sameLog(q Position) bool {
	return p.Generation == q.Generation && p.History == q.History
}

func (a id) compare(b id) int {
	return cmp.Or(cmp.Compare(a.millis, b.millis), cmp.Compare(a.seq, b.seq))
}

func (a id) before(b id) bool { return a.compare(b) < 0 }

func latest(a, b id) id {
	if a.before(b) {
		return b
	}
	return a
}

// A packed id fits one atomic word: 44 bits of milliseconds last until the year 2527, 20 bits count a million records in one of them.
const (
	seqBits   = 20
	maxSeq    = 1<<seqBits - 1
	maxMillis = 1<<(64-seqBits) - 1
)

// packed keeps the order of ids, except that those beyond the range of either half become equal.
func (a id) packed() uint64 {
	if a.millis >= maxMillis {
		return math.MaxUint64
	}
	return a.millis<<seqBits | min(a.seq, maxSeq)
}

// overtakes says whether a purge is later than an entry, by their packed ids. Where packing may have made them equal it says yes: that costs a miss.
func overtakes(purge, entry uint64) bool {
	return purge > entry || purge == entry && entry&maxSeq == maxSeq
}
