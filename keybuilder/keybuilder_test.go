package keybuilder_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/larderhq/larder/keybuilder"
)

type param = keybuilder.Param

func TestKey(t *testing.T) {
	const plain = "plain"
	for _, tt := range []struct {
		prefix, name string
		params       []param
		want         string
	}{
		{"myapi-cache", "api.get_user", []param{{"id", 1}, {"db", &sql.DB{}}}, "myapi-cache:api.get_user(id=1)"},
		{"myapi-cache", "api.get_user", []param{{"db", &sql.DB{}}, {"id", 1}}, "myapi-cache:api.get_user(id=1)"},
		{"myapi-cache", "main.data", nil, "myapi-cache:main.data()"},
		{"myapi-cache", "main.data", []param{{"db", &sql.DB{}}, {"log", slog.Default()}}, "myapi-cache:main.data()"},
		{"", "f", []param{{"a", "x"}, {"b", "y"}}, "f(a=x,b=y)"},
		{"p", "f", []param{{"b", "y"}, {"a", "x"}, {"a", "z"}}, "p:f(b=y,a=x,a=z)"},
		{"p", "f", []param{{"a", 1}, {"db", &sql.DB{}}, {"b", 2}}, "p:f(a=1,b=2)"},
		{"eu:(shop)", "f", nil, "eu:(shop):f()"},
		{"p", "", []param{{"", ""}}, "p:(=)"},
		{"p", "a:b(c)", []param{{"x=y:z", "1:2"}}, "p:a%3Ab%28c%29(x%3Dy%3Az=1:2)"},
		{"p", "f", []param{{"q", "a%(b),c=d e\x00\x1f\x7f\n"}}, "p:f(q=a%25%28b%29%2Cc%3Dd%20e%00%1F%7F%0A)"},
		{"p", "é", []param{{"naïve", "日本\xff"}}, "p:é(naïve=日本\xff)"},
		{"p", "f", []param{{"s", "\"!;[]{}<>/\\~+-*'&"}}, "p:f(s=\"!;[]{}<>/\\~+-*'&)"},
		{"p", plain, []param{{plain, strings.Repeat("long", 200)}}, "p:plain(plain=" + strings.Repeat("long", 200) + ")"},
	} {
		got, err := keybuilder.New(tt.prefix).Key(tt.name, tt.params...)
		if err != nil || got != tt.want {
			t.Errorf("%q %q %v: %q, %v, want %q", tt.prefix, tt.name, tt.params, got, err, tt.want)
		}
	}
}

type session struct{}

func (*session) Renew() {}

type renewer interface{ Renew() }

func TestIgnoredTypes(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, v := range []any{
		r, httptest.NewRecorder(), http.ResponseWriter(httptest.NewRecorder()), context.Background(), t.Context(),
		&sql.DB{}, (*sql.DB)(nil), &sql.Tx{}, &sql.Conn{}, slog.Default(),
	} {
		for _, b := range []keybuilder.Builder{{}, keybuilder.New(""), keybuilder.New("", reflect.TypeFor[session]())} {
			if got, err := b.Key("f", param{"v", v}, param{"id", 1}); err != nil || got != "f(id=1)" {
				t.Errorf("%T: %q, %v", v, got, err)
			}
		}
	}
}

func TestUserIgnoredTypes(t *testing.T) {
	ignore := []reflect.Type{nil, reflect.TypeFor[*http.Client](), nil, reflect.TypeFor[renewer]()}
	b := keybuilder.New("p", ignore...)
	clear(ignore) // the builder has its own copy
	for _, v := range []any{&http.Client{}, &session{}, renewer(&session{}), (*session)(nil)} {
		if got, err := b.Key("f", param{"v", v}); err != nil || got != "p:f()" {
			t.Errorf("%T: %q, %v", v, got, err)
		}
	}
	// A concrete type means itself: neither what it points to nor what contains it.
	for _, v := range []any{session{}, []*session{}, struct{ S session }{}} {
		if got, err := b.Key("f", param{"v", v}); err != nil || got == "p:f()" {
			t.Errorf("%T: %q, %v", v, got, err)
		}
	}
}

func TestAppendParam(t *testing.T) {
	var b keybuilder.Builder
	for _, tt := range []struct {
		value   any
		want    string
		ignored bool
		err     error
	}{
		{"x y", "f(id=x%20y", false, nil},
		{&sql.DB{}, "f(", true, nil},
		{new(int), "f(", false, keybuilder.ErrValue},
	} {
		out, ignored, err := b.AppendParam([]byte("f("), param{"id", tt.value})
		if string(out) != tt.want || ignored != tt.ignored || !errors.Is(err, tt.err) {
			t.Errorf("%T: %q, %v, %v", tt.value, out, ignored, err)
		}
	}
}

// What a route's key is made of at each request costs no allocation.
func TestAllocations(t *testing.T) {
	b := keybuilder.New("p", reflect.TypeFor[renewer]())
	dst := make([]byte, 0, 512)
	long := strings.Repeat("é(,)", 20)
	check := func(what string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", what, n)
		}
	}
	for _, s := range []string{"", "plain", long} {
		check(fmt.Sprintf("AppendText(%.10q)", s), func() { keybuilder.AppendText(dst, s) })
		check(fmt.Sprintf("AppendName(%.10q)", s), func() { keybuilder.AppendName(dst, s) })
	}
	for _, v := range []any{"plain", long, 7, -1 << 40, int64(1 << 40), uint8(9), uint64(1 << 60), true, 2.5, float32(1e30), &sql.DB{}} {
		p := param{"name", v}
		check(fmt.Sprintf("AppendParam of %T", v), func() {
			if _, _, err := b.AppendParam(dst, p); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func BenchmarkKey(b *testing.B) {
	builder := keybuilder.New("myapi-cache")
	params := []param{{"id", 1 << 20}, {"team", "New York Yankees"}, {"db", &sql.DB{}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := builder.Key("api.get_user", params...); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendParam(b *testing.B) {
	dst := make([]byte, 0, 512)
	for _, bb := range []struct {
		name  string
		value any
	}{
		{"int", 1 << 20},
		{"string", "New York Yankees"},
		{"ignored", &sql.DB{}},
		{"stringer", date{2019, 5, 9}},
		{"list", []int{1, 2, 3}},
		{"map", map[string]int{"a": 1, "b": 2, "c": 3}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, err := keybuilder.Builder{}.AppendParam(dst, param{"id", bb.value})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendText(b *testing.B) {
	dst := make([]byte, 0, 512)
	for _, bb := range []struct{ name, text string }{{"plain", strings.Repeat("a", 64)}, {"escaped", strings.Repeat("=", 64)}} {
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(bb.text)))
			b.ReportAllocs()
			for b.Loop() {
				keybuilder.AppendText(dst, bb.text)
			}
		})
	}
}
