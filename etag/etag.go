// Package etag makes, parses and compares entity tags (RFC 9110 §8.8.3).
//
// A tag made here depends on the body alone: every process of a fleet, today's and tomorrow's, gives one body one tag,
// so that a client's validator outlives restarts and works at any replica.
package etag

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/cespare/xxhash/v2"
)

// Weak returns the weak entity tag of a body, as it goes into an ETag field: W/"<16 hex digits of its xxhash64>".
// Weak is what a cache may claim: it sees the body, not whether content coding or fields differ byte for byte.
func Weak(body []byte) string { return hashed(`W/"`, body) }

// Strong returns the strong entity tag of a body: "<16 hex digits of its xxhash64>". It is for an author who vouches that equal
// bodies are interchangeable byte for byte, in range requests too (RFC 9110 §8.8.1).
func Strong(body []byte) string { return hashed(`"`, body) }

func hashed(open string, body []byte) string {
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], xxhash.Sum64(body))
	var room [24]byte
	n := copy(room[:], open)
	n += hex.Encode(room[n:], sum[:])
	room[n] = '"'
	return string(room[:n+1])
}

// Tag is an entity tag, taken apart.
type Tag struct {
	Weak   bool   // it was marked W/
	Opaque string // the opaque-tag without its quotes; never unescaped, as RFC 9110 §8.8.3 knows no escape
}

// String returns the tag as it goes into a field.
func (t Tag) String() string {
	if t.Weak {
		return `W/"` + t.Opaque + `"`
	}
	return `"` + t.Opaque + `"`
}

// WeakEqual reports whether the tags are equivalent by weak comparison, which If-None-Match uses (RFC 9110 §8.8.3.2).
func (t Tag) WeakEqual(u Tag) bool { return t.Opaque == u.Opaque }

// StrongEqual reports whether the tags are equivalent by strong comparison, which If-Match and If-Range use
// (RFC 9110 §8.8.3.2): a weak tag equals none, itself included.
func (t Tag) StrongEqual(u Tag) bool { return !t.Weak && !u.Weak && t.Opaque == u.Opaque }
