package store

import (
	"encoding/binary"
	"math/bits"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// The binary form is described in docs/store-format.md. Whatever changes there changes formatVersion.
const (
	formatMagic   = "LDR"
	formatVersion = 1
	headerLen     = len(formatMagic) + 1
	checksumLen   = 8
)

// Bits of the flags byte.
const (
	flagAlwaysValidate = 1 << iota
	flagMustRevalidate
	flagShareable
	flagPrivate
	flagVariants
	flagsKnown = 1<<iota - 1
)

// Encode returns the binary form of e in a slice of its own and of its size.
func Encode(e *Entry) []byte {
	var buffer [512]byte // most heads fit; only the head is copied twice
	head := e.appendHead(buffer[:0])
	n := uint64(len(head))
	b := make([]byte, 0, headerLen+uvarintLen(n)+len(head)+len(e.Body)+checksumLen)
	b = binary.AppendUvarint(append(append(b, formatMagic...), formatVersion), n)
	b = append(append(b, head...), e.Body...)
	return binary.LittleEndian.AppendUint64(b, xxhash.Sum64(b))
}

// BodyIn returns the body of n bytes inside what Encode returned; it aliases b.
func BodyIn(b []byte, n int) []byte {
	end := len(b) - checksumLen
	return b[end-n : end : end]
}

// appendHead appends all but the body.
func (e *Entry) appendHead(dst []byte) []byte {
	dst = append(dst, e.flags(), byte(e.Terms.Source))
	dst = appendString(dst, e.Key)
	dst = e.appendTarget(dst)
	dst = binary.AppendVarint(dst, int64(e.Status))
	dst = e.appendTerms(dst)
	dst = e.appendPosition(dst)
	dst = binary.AppendUvarint(dst, uint64(e.texts()))
	dst = e.appendFields(dst)
	dst = appendStrings(dst, e.Tags)
	if e.Variants != nil {
		dst = appendStrings(dst, e.Variants.Names)
		dst = appendStrings(dst, e.Variants.Keys)
	}
	return dst
}

func uvarintLen(n uint64) int { return (bits.Len64(n|1) + 6) / 7 }

// appendTarget writes where in the key the target is, which most keys begin with, or all of it behind a zero.
func (e *Entry) appendTarget(dst []byte) []byte {
	i := strings.Index(e.Key, e.Target)
	dst = binary.AppendUvarint(dst, uint64(i+1))
	if i < 0 {
		return appendString(dst, e.Target)
	}
	return binary.AppendUvarint(dst, uint64(len(e.Target)))
}

func (e *Entry) flags() (f byte) {
	set := func(on bool, bit byte) {
		if on {
			f |= bit
		}
	}
	set(e.Terms.AlwaysValidate, flagAlwaysValidate)
	set(e.Terms.MustRevalidate, flagMustRevalidate)
	set(e.Terms.Shareable, flagShareable)
	set(e.Terms.Private, flagPrivate)
	set(e.Variants != nil, flagVariants)
	return f
}

func (e *Entry) appendTerms(dst []byte) []byte {
	t := &e.Terms
	for _, n := range [...]int64{
		int64(t.Lifetime), int64(t.InitialAge), t.ResponseTime, int64(t.WhileRevalidate), int64(t.IfError), int64(e.Cost),
	} {
		dst = binary.AppendVarint(dst, n)
	}
	return dst
}

func (e *Entry) appendPosition(dst []byte) []byte {
	p := &e.Position
	dst = appendString(dst, p.History)
	dst = binary.LittleEndian.AppendUint64(dst, p.Generation)
	dst = binary.AppendUvarint(dst, p.Millis)
	return binary.AppendUvarint(dst, p.Seq)
}

// texts counts the strings that end up in slices, so that decoding makes one slice for all of them.
func (e *Entry) texts() int {
	n := len(e.Tags)
	for i := range e.Fields {
		n += len(e.Fields[i].Values)
	}
	if e.Variants != nil {
		n += len(e.Variants.Names) + len(e.Variants.Keys)
	}
	return n
}

func (e *Entry) appendFields(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(e.Fields)))
	for i := range e.Fields {
		f := &e.Fields[i]
		dst = appendString(dst, f.Name)
		dst = appendBool(dst, f.Append)
		dst = appendStrings(dst, f.Values)
	}
	return dst
}

func appendStrings(dst []byte, list []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, s := range list {
		dst = appendString(dst, s)
	}
	return dst
}

func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}
