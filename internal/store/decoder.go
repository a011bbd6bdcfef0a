package store

import (
	"encoding/binary"
	"time"
	"unsafe"

	"github.com/larderhq/larder/internal/policy"
)

// The fewest bytes that an element of a list takes, which bounds what a count may claim.
const (
	minString = 1 // the length
	minField  = 3 // name, append flag, number of values
)

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
