package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"

	"github.com/larderhq/larder/internal/invalidation"
	"github.com/larderhq/larder/internal/policy"
)

// page is an entry that uses every part of the format.
func page() *Entry {
	return &Entry{
		Key:    "larder:shop.example/items/1(page=2)",
		Target: "shop.example/items/1",
		Status: 200,
		Fields: []Field{
			{Name: "Content-Type", Values: []string{"text/html; charset=utf-8"}},
			{Name: "Date"}, // suppressed by the handler
			{Name: "Link", Values: []string{"</a>; rel=preload", "</b>; rel=preload", ""}, Append: true},
		},
		Body: []byte("<!doctype html>\x00\xff"),
		Terms: policy.Terms{
			Lifetime: time.Hour, InitialAge: 3 * time.Second, ResponseTime: 1_700_000_000_123_456_789,
			WhileRevalidate: time.Minute, IfError: 24 * time.Hour, Source: policy.Heuristic,
			AlwaysValidate: true, MustRevalidate: true, Shareable: true, Private: true,
		},
		Cost:     3 * time.Millisecond,
		Tags:     []string{"item:1", "items"},
		Position: invalidation.Position{History: "abcdef", Generation: math.MaxUint64, Millis: 1 << 41, Seq: 7},
	}
}

func index() *Entry {
	return &Entry{
		Key:      "larder:shop.example/items",
		Variants: &Variants{Names: []string{"Accept", "Accept-Language"}, Keys: []string{"k1", "k2", "k3"}},
	}
}

// anyEntry draws an entry in the form that decoding gives: what is empty is nil.
func anyEntry(t *rapid.T) *Entry {
	texts := rapid.Map(rapid.SliceOfN(rapid.String(), 0, 5), func(s []string) []string {
		if len(s) == 0 {
			return nil
		}
		return s
	})
	d := rapid.Map(rapid.Int64(), func(n int64) time.Duration { return time.Duration(n) })
	flag := rapid.Bool()
	e := &Entry{
		Key: rapid.String().Draw(t, "key"), Target: rapid.String().Draw(t, "target"), Status: rapid.Int().Draw(t, "status"),
		Terms: policy.Terms{
			Lifetime: d.Draw(t, "lifetime"), InitialAge: d.Draw(t, "age"), ResponseTime: rapid.Int64().Draw(t, "time"),
			WhileRevalidate: d.Draw(t, "swr"), IfError: d.Draw(t, "sie"), Source: policy.Source(rapid.Byte().Draw(t, "source")),
			AlwaysValidate: flag.Draw(t, "av"), MustRevalidate: flag.Draw(t, "mr"), Shareable: flag.Draw(t, "sh"), Private: flag.Draw(t, "pr"),
		},
		Tags: texts.Draw(t, "tags"),
		Position: invalidation.Position{
			History: rapid.String().Draw(t, "history"), Generation: rapid.Uint64().Draw(t, "generation"),
			Millis: rapid.Uint64().Draw(t, "millis"), Seq: rapid.Uint64().Draw(t, "seq"),
		},
	}
	for range rapid.IntRange(0, 4).Draw(t, "fields") {
		e.Fields = append(e.Fields, Field{Name: rapid.String().Draw(t, "name"), Values: texts.Draw(t, "values"), Append: flag.Draw(t, "append")})
	}
	e.Cost = time.Duration(rapid.Int64().Draw(t, "cost"))
	if flag.Draw(t, "variants") {
		e.Variants = &Variants{Names: texts.Draw(t, "names"), Keys: texts.Draw(t, "keys")}
	}
	if body := rapid.SliceOf(rapid.Byte()).Draw(t, "body"); len(body) > 0 {
		e.Body = body
	}
	return e
}

func mustDecode(t interface {
	Helper()
	Fatalf(string, ...any)
}, key string, b []byte,
) *Entry {
	t.Helper()
	e, err := Decode(key, b)
	if err != nil {
		t.Fatalf("Decode: %v", err)
	}
	return e
}

func TestDecodeInvertsEncode(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := anyEntry(t)
		got := mustDecode(t, e.Key, Encode(e))
		if !reflect.DeepEqual(got, e) {
			t.Fatalf("decoded\n%+v\nfrom the form of\n%+v", got, e)
		}
		if !bytes.Equal(Encode(got), Encode(e)) {
			t.Fatal("equal entries have different forms")
		}
		// With room, nothing but the body needs what it was read from.
		b, roomy := Encode(e), new(Entry)
		if err := roomy.Decode(e.Key, b, new(Room)); err != nil {
			t.Fatal(err)
		}
		clear(b[:len(b)-checksumLen-len(e.Body)])
		if !reflect.DeepEqual(roomy, e) {
			t.Fatalf("decoded into room\n%+v\nfrom the form of\n%+v", roomy, e)
		}
	})
	for _, e := range []*Entry{page(), index(), {}} {
		if got := mustDecode(t, e.Key, Encode(e)); !reflect.DeepEqual(got, e) {
			t.Errorf("decoded\n%+v\nfrom the form of\n%+v", got, e)
		}
	}
}

func TestEncodeAllocatesOnce(t *testing.T) {
	e := page()
	e.Body = bytes.Repeat([]byte("x"), 10<<10)
	if n := testing.AllocsPerRun(100, func() { Encode(e) }); n != 1 {
		t.Errorf("%v allocations", n)
	}
}

// One for the entry, one for its fields, one for all texts.
func TestDecodeAllocatesLittle(t *testing.T) {
	e := page()
	b := Encode(e)
	if n := testing.AllocsPerRun(100, func() { _, _ = Decode(e.Key, b) }); n > 4 {
		t.Errorf("%v allocations", n)
	}
}

func TestDecodeClipsCapacity(t *testing.T) {
	t.Parallel()
	e := page()
	got := mustDecode(t, e.Key, Encode(e))
	for i := range got.Fields {
		got.Fields[i].Values = append(got.Fields[i].Values, "more")
	}
	got.Body = append(got.Body, "more"...)
	if got.Fields[2].Values[0] != e.Fields[2].Values[0] || !slices.Equal(got.Tags, e.Tags) {
		t.Errorf("appending to one list changed another: %+v", got)
	}
}

func TestDecodeRefusesDamage(t *testing.T) {
	t.Parallel()
	for _, e := range []*Entry{page(), index()} {
		form := Encode(e)
		for n := range form {
			if _, err := Decode(e.Key, slices.Clone(form[:n])); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("cut to %d of %d bytes: %v", n, len(form), err)
			}
		}
		for bit := range len(form) * 8 {
			b := slices.Clone(form)
			b[bit/8] ^= 1 << (bit % 8)
			_, err := Decode(e.Key, b)
			if want := damage(bit / 8); !errors.Is(err, want) {
				t.Fatalf("bit %d flipped: %v, want %v", bit, err, want)
			}
		}
		if _, err := Decode(e.Key, append(slices.Clone(form), 0)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a byte more: %v", err)
		}
	}
}

func damage(at int) error {
	if at == len(formatMagic) {
		return ErrVersion
	}
	return ErrCorrupt
}

func TestDecodeComparesKeys(t *testing.T) {
	t.Parallel()
	e := page()
	for _, key := range []string{"", e.Key[1:], strings.ToUpper(e.Key), e.Key + " "} {
		if _, err := Decode(key, Encode(e)); !errors.Is(err, ErrOtherKey) {
			t.Errorf("Decode(%q): %v", key, err)
		}
	}
}

// seal makes a form with a right checksum of any head, as a bug or an attacker with access to Redis would.
func seal(head []byte) []byte {
	return sealed(append(binary.AppendUvarint(nil, uint64(len(head))), head...))
}

func sealed(structure []byte) []byte {
	b := append(append([]byte(formatMagic), formatVersion), structure...)
	return binary.LittleEndian.AppendUint64(b, xxhash.Sum64(b))
}

func structure(e *Entry) []byte { return e.appendHead(nil) }

func TestDecodeChecksStructure(t *testing.T) {
	t.Parallel()
	small := structure(&Entry{Fields: []Field{{Name: "A", Values: []string{"b"}}}})
	huge := binary.AppendUvarint(nil, 1<<45)
	// Where things are in small: flags 0, source 1, key 2, target 3, status 5, terms 6, cost 11, history 12, generation 13,
	// millis 21, seq 22, texts 23, fields 24, name 25, append 27, values 28.
	at := func(i int, b ...byte) []byte { return slices.Concat(small[:i], b, small[i+1:]) }
	for name, b := range map[string][]byte{
		"unknown flag":          at(0, 1<<7),
		"key longer than all":   at(2, huge...),
		"target behind the key": at(3, 2),
		"longer than the key":   at(4, 1),
		"and by far":            at(4, huge...),
		"more texts than bytes": at(23, huge...),
		"texts not used":        at(23, 2),
		"texts too few":         at(23, 0),
		"fields than bytes":     at(24, huge...),
		"field count overflows": at(24, bytes.Repeat([]byte{0xff}, 11)...),
		"append is no bool":     at(27, 2),
		"values than bytes":     at(28, huge...),
		"a byte left":           append(slices.Clone(small), 0),
		"nothing":               nil,
	} {
		if _, err := Decode("", seal(b)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, length := range [][]byte{nil, {1}, huge, bytes.Repeat([]byte{0xff}, 11)} {
		if _, err := Decode("", sealed(length)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d for the length of no head: %v", length, err)
		}
	}
	if _, err := Decode("", seal(small)); err != nil {
		t.Errorf("the sample itself: %v", err)
	}
}

func TestSizeIsOfTheOrderOfTheForm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := anyEntry(t)
		const varints = 8 * binary.MaxVarintLen64
		if size, form := e.Size(), len(Encode(e)); size < form-varints {
			t.Fatalf("size %d, binary form %d", size, form)
		}
		if form := Encode(e); cap(form) != len(form) {
			t.Fatalf("%d bytes of room behind a binary form of %d", cap(form)-len(form), len(form))
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, e := range []*Entry{page(), index(), {}} {
		f.Add(e.Key, structure(e))
	}
	f.Fuzz(func(t *testing.T, key string, b []byte) {
		_, _ = Decode(key, b)
		e, err := Decode(key, seal(b))
		if err != nil {
			return
		}
		if again := mustDecode(t, key, Encode(e)); !reflect.DeepEqual(again, e) {
			t.Errorf("decoded\n%+v\nfrom the form of\n%+v", again, e)
		}
	})
}
