package keybuilder_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/larderhq/larder/keybuilder"
)

type (
	date   struct{ year, month, day int }
	level  uint8
	both   struct{}
	inches struct{ n int }
	team   struct {
		Name   string
		League string
		Rank   level
		founded
	}
	founded struct{ since date }
	count   int
	mixed   struct{}
)

func (d date) String() string                { return fmt.Sprintf("%d-%02d-%02d", d.year, d.month, d.day) }
func (l level) String() string               { return "level " + string('A'+rune(l)) }
func (both) MarshalText() ([]byte, error)    { return []byte("marshalled"), nil }
func (both) String() string                  { return "strung" }
func (i *inches) String() string             { return fmt.Sprint(i.n, " in") }
func (c count) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "#%d", int(c)), nil }
func (mixed) String() string                 { return "strung" }
func (*mixed) MarshalText() ([]byte, error)  { return []byte("marshalled"), nil }

func TestValues(t *testing.T) {
	at := time.Date(2019, time.May, 9, 19, 10, 0, 0, time.FixedZone("EDT", -4*3600))
	for _, tt := range []struct {
		value any
		want  string
	}{
		{true, "true"},
		{false, "false"},
		{int8(-128), "-128"},
		{int64(math.MinInt64), "-9223372036854775808"},
		{uint64(math.MaxUint64), "18446744073709551615"},
		{'x', "120"},
		{0.1, "0.1"},
		{float32(0.1), "0.1"},
		{1e21, "1e+21"},
		{math.Inf(-1), "-Inf"},
		{complex(1, -2), "1-2i"},
		{complex64(complex(0.5, 2)), "0.5+2i"},
		{"", ""},
		{[]byte("by,tes\xff"), "by%2Ctes\xff"},
		{json.RawMessage("{}"), "{}"},
		{[2]byte{1, 2}, "(1,2)"},
		{nil, "%nil"},
		{"%nil", "%25nil"},

		{date{2019, 5, 9}, "2019-05-09"},
		{&date{2019, 5, 9}, "2019-05-09"},
		{both{}, "marshalled"},
		{mixed{}, "marshalled"}, // as &mixed{} is
		{&mixed{}, "marshalled"},
		{inches{3}, "3%20in"},
		{&inches{3}, "3%20in"},
		{count(2), "#2"},
		{at, "2019-05-09T19:10:00-04:00"},
		{&at, "2019-05-09T19:10:00-04:00"},
		{90 * time.Second, "1m30s"},
		{netip.MustParseAddr("::1"), "::1"},
		{*big.NewInt(42), "42"},
		{&url.URL{Path: "/a", RawQuery: "b=c"}, "/a?b%3Dc"},

		{[]int{}, "()"},
		{[]int(nil), "()"},
		{[]int{1, 2}, "(1,2)"},
		{[]string{"a,b", "c"}, "(a%2Cb,c)"},
		{[]string{"(", "%", "="}, "(%28,%25,%3D)"},
		{[]string{""}, "(%)"},
		{[]string{"", ""}, "(%,%)"},
		{[]any{"a", 1, nil, []any{}, date{2019, 5, 9}}, "(a,1,%nil,(),2019-05-09)"},
		{[][]string{{"a"}, {"b", "c"}}, "((a),(b,c))"},
		{[]level{0, 1}, "(level%20A,level%20B)"},
		{[1][]byte{[]byte("ab")}, "(ab)"},
		{map[string]int{"b": 2, "a": 1, "a-": 0}, "(a=1,a-=0,b=2)"},
		{map[string]string{"": ""}, "(=)"},
		{map[date]int{{2019, 5, 9}: 1}, "(2019-05-09=1)"},
		{map[any]any{1: "y", "1": "x"}, "(1=x,1=y)"},
		{map[[1]int][]int{{1}: {2}}, "((1)=(2))"},
		{url.Values{"q": {"a b", "c"}, "p": nil}, "(p=(),q=(a%20b,c))"},
		{struct{}{}, "()"},
		{team{"NYY", "", 0, founded{date{1903, 4, 22}}}, "(Name=NYY,League=,Rank=level%20A,founded=(since=(year=1903,month=4,day=22)))"},
		{struct{ hidden []byte }{[]byte("x")}, "(hidden=x)"},
		{struct{ hidden map[string]any }{map[string]any{"a": nil, "b": both{}}}, "(hidden=(a=%nil,b=()))"},
	} {
		want := "f(v=" + tt.want + ")"
		for range 5 { // maps come in another order each time
			if got, err := (keybuilder.Builder{}).Key("f", param{"v", tt.value}); err != nil || got != want {
				t.Errorf("%T %[1]v: %q, %v, want %q", tt.value, got, err, want)
			}
		}
	}
}

type (
	user   struct{ ID int }
	broken struct{}
	bomb   struct{}
	mine   struct{ fuse *int }
)

func (broken) MarshalText() ([]byte, error) { return []byte("never"), io.ErrUnexpectedEOF }
func (bomb) String() string                 { panic("boom") }
func (m mine) String() string               { return fmt.Sprint(*m.fuse) }

func TestRefusals(t *testing.T) {
	cyclic := []any{nil}
	cyclic[0] = cyclic
	for _, tt := range []struct {
		value any
		says  string // beside the name of the parameter and the type
	}{
		{&user{1}, "*keybuilder_test.user is an address"},
		{(*user)(nil), "nil *keybuilder_test.user"},
		{(*date)(nil), "nil *keybuilder_test.date"},
		{(*inches)(nil), "nil *keybuilder_test.inches"},
		{new(any), "*interface {} is an address"},
		{new([]int), "*[]int is an address"},
		{func() {}, "func() is an address"},
		{(func())(nil), "func() is an address"},
		{make(chan int), "chan int is an address"},
		{unsafe.Pointer(new(int)), "unsafe.Pointer is an address"},
		{uintptr(1), "uintptr is an address"},
		{errors.New("an error"), "*errors.errorString is an address"},
		{[]any{1, &user{1}}, "*keybuilder_test.user is an address"},
		{[1]func(){}, "func() is an address"},
		{struct{ At *int }{}, "nil *int"},
		{struct{ at any }{new(int)}, "*int is an address"},
		{struct{ at time.Time }{time.Unix(0, 0)}, "*time.Location is an address"}, // no method may be called here
		{map[string]any{"a": make(chan int)}, "chan int is an address"},
		{map[any]int{new(int): 1}, "*int is an address"},
		{broken{}, io.ErrUnexpectedEOF.Error()},
		{[]broken{{}}, io.ErrUnexpectedEOF.Error()},
		{bomb{}, "keybuilder_test.bomb panicked: boom"},
		{[]bomb{{}}, "keybuilder_test.bomb panicked: boom"},
		{mine{}, "nil pointer dereference"},
		{cyclic, "nested more than 32 deep"},
	} {
		got, err := (keybuilder.Builder{}).Key("f", param{"ok", 1}, param{"who", tt.value})
		if got != "" || !errors.Is(err, keybuilder.ErrValue) {
			t.Errorf("%T: %q, %v, want ErrValue", tt.value, got, err)
			continue
		}
		for _, part := range []string{`keybuilder: parameter "who"`, fmt.Sprintf("of type %T", tt.value), tt.says} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%T: %q does not say %q", tt.value, err, part)
			}
		}
	}
}

func TestMarshalErrorIsWrapped(t *testing.T) {
	_, err := keybuilder.New("p").Key("f", param{"v", broken{}})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v does not match the marshaler's own error", err)
	}
}

func TestDeepButFinite(t *testing.T) {
	v := any("x")
	for range 32 {
		v = []any{v}
	}
	want := "f(v=" + strings.Repeat("(", 32) + "x" + strings.Repeat(")", 32) + ")"
	if got, err := (keybuilder.Builder{}).Key("f", param{"v", v}); err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
}
