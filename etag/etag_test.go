package etag_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/larderhq/larder/etag"
)

// The literals are the published xxhash64 values: a tag that changed between processes or releases would cost every
// client its validators.
func TestGolden(t *testing.T) {
	for body, want := range map[string]string{
		"":                        "ef46db3751d8e999",
		"a":                       "d24ec4f1a98c6e5b",
		"abc":                     "44bc2cf5ad770999",
		"as":                      "1c330fb2d66be179",
		strings.Repeat("a", 1000): "56e43b712eda4223",
	} {
		if got := etag.Weak([]byte(body)); got != `W/"`+want+`"` {
			t.Errorf("Weak(%.10q) = %s, want W/%q", body, got, want)
		}
		if got := etag.Strong([]byte(body)); got != `"`+want+`"` {
			t.Errorf("Strong(%.10q) = %s, want %q", body, got, want)
		}
	}
}

func TestMadeTagsParse(t *testing.T) {
	body := []byte("a scoreboard")
	weak, okWeak := etag.ParseOne(etag.Weak(body))
	strong, okStrong := etag.ParseOne(etag.Strong(body))
	if !okWeak || !okStrong || !weak.Weak || strong.Weak {
		t.Fatalf("parsed to %+v %v, %+v %v", weak, okWeak, strong, okStrong)
	}
	if !weak.WeakEqual(strong) || weak.StrongEqual(strong) {
		t.Errorf("%v and %v: want equal by weak comparison only", weak, strong)
	}
	if weak.String() != etag.Weak(body) || strong.String() != etag.Strong(body) {
		t.Errorf("String gives %v and %v", weak, strong)
	}
}

// RFC 9110 §8.8.3.2, table 3.
func TestComparison(t *testing.T) {
	weak1, weak2, strong1 := etag.Tag{Weak: true, Opaque: "1"}, etag.Tag{Weak: true, Opaque: "2"}, etag.Tag{Opaque: "1"}
	for _, tt := range []struct {
		a, b         etag.Tag
		strong, weak bool
	}{
		{weak1, weak1, false, true},
		{weak1, weak2, false, false},
		{weak1, strong1, false, true},
		{strong1, weak1, false, true},
		{strong1, strong1, true, true},
	} {
		if got := tt.a.StrongEqual(tt.b); got != tt.strong {
			t.Errorf("%v StrongEqual %v = %v", tt.a, tt.b, got)
		}
		if got := tt.a.WeakEqual(tt.b); got != tt.weak {
			t.Errorf("%v WeakEqual %v = %v", tt.a, tt.b, got)
		}
	}
}

func ExampleWeak() {
	fmt.Println(etag.Weak([]byte("hello")))
	// Output: W/"26c7827d889f6da3"
}

func ExampleStrong() {
	fmt.Println(etag.Strong([]byte("hello")))
	// Output: "26c7827d889f6da3"
}

func ExampleParse() {
	tags, star := etag.Parse([]string{`"xyzzy", W/"r2d2,c3po"`, `W/-5480454928453453778, "last"`})
	fmt.Println(tags, star)
	// Output: ["xyzzy" W/"r2d2,c3po" "last"] false
}

func ExampleMatch() {
	current, _ := etag.ParseOne(`W/"v2"`)
	fmt.Println(etag.Match([]string{`"v1", "v2"`}, current))
	fmt.Println(etag.Match([]string{`"v1"`}, current))
	fmt.Println(etag.Match([]string{`*`}, current))
	// Output:
	// true
	// false
	// true
}

func BenchmarkWeak(b *testing.B) {
	body := []byte(strings.Repeat("a scoreboard ", 1000))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		etag.Weak(body)
	}
}
