package invalidation

import "testing"

func FuzzParsePosition(f *testing.F) {
	f.Add(Position{History: "c0ffee", Generation: 1 << 63, Millis: 1234, Seq: 5}.String())
	f.Add("")
	f.Add("a.1.2-")
	f.Fuzz(func(t *testing.T, s string) {
		if p, ok := ParsePosition(s); ok && p.String() != s {
			t.Errorf("%q was read as %+v, which is written %q", s, p, p.String())
		}
	})
}

func TestPositionText(t *testing.T) {
	for _, p := range []Position{{}, {History: "c0ffee", Generation: 1<<64 - 1, Millis: 1 << 42, Seq: 7}} {
		if got, ok := ParsePosition(p.String()); !ok || got != p {
			t.Errorf("ParsePosition(%q) = %+v, %v", p, got, ok)
		}
	}
	for _, s := range []string{"x", "a.1.2", "a.1.2-3 ", "a.1.2-3x", "a.01.2-3"} {
		if p, ok := ParsePosition(s); ok {
			t.Errorf("ParsePosition(%q) = %+v, want none", s, p)
		}
	}
}
