package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// What Decode refuses. To a request each is a miss, and the next fill overwrites it.
var (
	// ErrCorrupt says that bytes are not what Encode wrote: foreign, truncated or damaged.
	ErrCorrupt = errors.New("store: corrupt entry")
	// ErrVersion says that an entry was written by a release with another binary form.
	ErrVersion = errors.New("store: entry of another format version")
	// ErrOtherKey says that an intact entry is for another key, as when two long keys share a digest.
	ErrOtherKey = errors.New("store: entry for another key")
)

// Decode reads the binary form of the entry for key. The entry's strings and body alias b, which belongs to the
// entry from then on: nobody may change it. No allocation is larger than a small multiple of len(b), whatever b says.
func Decode(key string, b []byte) (*Entry, error) {
	e := new(Entry)
	if err := e.Decode(key, b, nil); err != nil {
		return nil, err
	}
	return e, nil
}

// Room is memory for the fields and texts of an entry of the usual size, so that Decode need not allocate them. It belongs to the
// entry from then on.
type Room struct {
	fields [8]Field
	texts  [12]string
	head   [384]byte
}

// Decode reads the binary form into e, which must be empty, as the function Decode does. With a room the strings are copied and only
// the body aliases b; room may be nil. After an error, e holds nothing of use.
func (e *Entry) Decode(key string, b []byte, room *Room) error {
	if len(b) < headerLen+checksumLen || string(b[:len(formatMagic)]) != formatMagic {
		return fmt.Errorf("%w: no header", ErrCorrupt)
	}
	if v := b[len(formatMagic)]; v != formatVersion {
		return fmt.Errorf("%w: %d", ErrVersion, v)
	}
	end := len(b) - checksumLen
	if xxhash.Sum64(b[:end]) != binary.LittleEndian.Uint64(b[end:]) {
		return fmt.Errorf("%w: checksum", ErrCorrupt)
	}
	d := decoder{rest: b[headerLen:end:end], room: room}
	head := d.bytes()
	if body := d.rest; len(body) > 0 {
		e.Body = body
	}
	if room != nil {
		head = append(room.head[:0], head...)
	}
	d.rest = head
	d.entry(e)
	switch {
	case d.bad || len(d.rest) != 0 || len(d.texts) != 0:
		return fmt.Errorf("%w: structure", ErrCorrupt)
	case e.Key != key:
		return ErrOtherKey
	}
	return nil
}

// KeyIn returns the key inside what Encode returned; it aliases b.
func KeyIn(b []byte) string {
	d := decoder{rest: b[headerLen:]}
	d.rest = d.bytes()[2:] // behind flags and source
	return d.string()
}
