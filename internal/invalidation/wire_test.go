package invalidation

import (
	"reflect"
	"slices"
	"testing"
)

func TestPayloads(t *testing.T) {
	many := make([]Record, maxRecords+1)
	for i := range many {
		many[i] = Record{Selector(i) << 40, i%2 == 0}
	}
	var got []Record
	for _, p := range payloads(many) {
		got = append(got, parsePayload(p)...)
	}
	if !slices.Equal(got, many) {
		t.Error("records change on the wire")
	}
	// What a wake-up looks like is fixed: releases that knew no wake-ups read it as no records, too.
	if got := payloads([]Record{}); !slices.Equal(got, []string{"\x01"}) || len(parsePayload(got[0])) != 0 || payloads(nil) != nil {
		t.Errorf("an empty list is %q on the wire", got)
	}
	for _, p := range []string{"", "\x02", "\x01123", "\x0112345678\x02"} {
		if got := parsePayload(p); !reflect.DeepEqual(got, []Record{{Selector: All}}) {
			t.Errorf("%q invalidates %v, want everything", p, got)
		}
	}
}

func FuzzParsePayload(f *testing.F) {
	f.Add(payload([]Record{{1, false}, {All, true}}))
	f.Add("\x01")
	f.Add("\x0112345678\x02")
	f.Fuzz(func(t *testing.T, p string) {
		records := parsePayload(p)
		if again := parsePayload(payload(records)); !slices.Equal(again, records) {
			t.Errorf("%q: %v, then %v", p, records, again)
		}
	})
}

func TestIDs(t *testing.T) {
	for text, want := range map[string]id{"1-0": {1, 0}, "1795333520646-12": {1795333520646, 12}} {
		got, err := parseID(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-", "1", "1-", "a-1", "1--1"} {
		if got, err := parseID(text); err == nil {
			t.Errorf("%q is no id, yet %v", text, got)
		}
	}
	for text, want := range map[string]uint64{"00000000000000ff": 255, "ff": 0, "": 0, "000000000000000g": 0} {
		if got := parseGeneration(text); got != want {
			t.Errorf("generation %q: %v", text, got)
		}
	}
}
