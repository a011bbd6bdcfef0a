package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"github.com/larderhq/larder/internal/policy"
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

// The fewest bytes that an element of a list takes, which bounds what a count may claim.
const (
	minString = 1 // the length
	minField  = 3 // name, append flag, number of values
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

// Room is where Decode puts what most entries have, so that it need not allocate. It belongs to the entry from then on.
type Room struct {
	fields [8]Field
	texts  [12]string
	head   [384]byte
}

// Decode is the function Decode into an entry that is empty. With room, which may be nil, its strings are copied, and only the body
// aliases b. After an error it holds nothing of use.
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

// decoder walks over rest. After the first thing that does not fit, bad stays set and every read gives a zero value.
type decoder struct {
	rest  []byte
	texts []string // one backing for all lists of strings, handed out from the front
	room  *Room
	bad   bool
}

func (d *decoder) entry(e *Entry) {
	flags := d.byte()
	if flags&^byte(flagsKnown) != 0 {
		d.fail()
	}
	e.Terms.Source = policy.Source(d.byte())
	e.Key = d.string()
	e.Target = d.target(e.Key)
	e.Status = int(d.varint())
	d.terms(&e.Terms, flags)
	e.Cost = time.Duration(d.varint())
	e.Position.History = d.string()
	e.Position.Generation = d.uint64()
	e.Position.Millis = d.uvarint()
	e.Position.Seq = d.uvarint()
	d.makeTexts(d.count(minString))
	e.Fields = d.fields()
	e.Tags = d.strings()
	if flags&flagVariants != 0 {
		e.Variants = &Variants{Names: d.strings(), Keys: d.strings()}
	}
}

func (d *decoder) makeTexts(n int) {
	switch {
	case d.room != nil && n <= len(d.room.texts):
		d.texts = d.room.texts[:n]
	case n > 0:
		d.texts = make([]string, n)
	}
}

// target is a part of the key, or a string of its own.
func (d *decoder) target(key string) string {
	start := d.uvarint()
	if start == 0 {
		return d.string()
	}
	start--
	n := d.uvarint()
	if start > uint64(len(key)) || n > uint64(len(key))-start {
		d.fail()
		return ""
	}
	return key[start : start+n]
}

func (d *decoder) terms(t *policy.Terms, flags byte) {
	t.Lifetime = time.Duration(d.varint())
	t.InitialAge = time.Duration(d.varint())
	t.ResponseTime = d.varint()
	t.WhileRevalidate = time.Duration(d.varint())
	t.IfError = time.Duration(d.varint())
	t.AlwaysValidate = flags&flagAlwaysValidate != 0
	t.MustRevalidate = flags&flagMustRevalidate != 0
	t.Shareable = flags&flagShareable != 0
	t.Private = flags&flagPrivate != 0
}

func (d *decoder) fields() []Field {
	n := d.count(minField)
	if n == 0 {
		return nil
	}
	var fields []Field
	if d.room != nil && n <= len(d.room.fields) {
		fields = d.room.fields[:n:n]
	} else {
		fields = make([]Field, n)
	}
	for i := range fields {
		fields[i].Name = d.string()
		fields[i].Append = d.bool()
		fields[i].Values = d.strings()
	}
	return fields
}

// strings reads a list into its part of the common backing, its capacity clipped so that an append never reaches
// the next list.
func (d *decoder) strings() []string {
	n := d.count(minString)
	if n == 0 {
		return nil
	}
	if n > len(d.texts) {
		d.fail()
		return nil
	}
	list := d.texts[:n:n]
	d.texts = d.texts[n:]
	for i := range list {
		list[i] = d.string()
	}
	return list
}

// count reads the length of a list whose elements take at least size bytes each.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.rest)/size) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) string() string {
	b := d.bytes()
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.fail()
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) byte() byte {
	if len(d.rest) == 0 {
		d.fail()
		return 0
	}
	c := d.rest[0]
	d.rest = d.rest[1:]
	return c
}

func (d *decoder) bool() bool {
	c := d.byte()
	if c > 1 {
		d.fail()
	}
	return c == 1
}

func (d *decoder) uint64() uint64 {
	if len(d.rest) < 8 {
		d.fail()
		return 0
	}
	n := binary.LittleEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return n
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	return accept(d, v, n)
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	return accept(d, v, n)
}

// accept moves over the n bytes of a varint; n is not positive when it was cut short or overflowed.
func accept[T uint64 | int64](d *decoder, v T, n int) T {
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// fail also drops what is left, so that a loop over a list ends in cheap failures.
func (d *decoder) fail() {
	d.bad = true
	d.rest = nil
}
