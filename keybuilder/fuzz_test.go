package keybuilder_test

import (
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/larderhq/larder/keybuilder"
)

// FuzzKey decodes keys with means of their own, strings.Split and net/url: as every list of texts comes back, no two share a key.
func FuzzKey(f *testing.F) {
	f.Add("api.get_user", "id", "1", "", "", uint8(1))
	f.Add("f", "a", "1,b=2", "b", "2", uint8(2))
	f.Fuzz(func(t *testing.T, name, p1, v1, p2, v2 string, n uint8) {
		texts := []string{name, p1, v1, p2, v2}[:1+2*int(n%3)]
		var params []param
		for i := 1; i < len(texts); i += 2 {
			params = append(params, param{texts[i], texts[i+1]})
		}
		key, err := keybuilder.New("pre:fix").Key(name, params...)
		if err != nil {
			t.Fatal(err)
		}
		if got := decodeKey(t, key); !reflect.DeepEqual(got, texts) {
			t.Errorf("%q decodes to %q, want %q", key, got, texts)
		}
		if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			t.Errorf("%q holds a space or control", key)
		}
	})
}

// decodeKey returns the name and, in turn, the names and texts of the parameters.
func decodeKey(t *testing.T, key string) []string {
	key = strings.TrimSuffix(strings.TrimPrefix(key, "pre:fix:"), ")")
	name, list, _ := strings.Cut(key, "(")
	texts := []string{name}
	if list != "" {
		for param := range strings.SplitSeq(list, ",") {
			texts = append(texts, strings.Split(param, "=")...)
		}
	}
	for i := range texts {
		text, err := url.PathUnescape(texts[i])
		if err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		texts[i] = text
	}
	return texts
}

// FuzzNested does the same for nested values, which bytes grow into: as every value comes back, no two share a key.
func FuzzNested(f *testing.F) {
	f.Add([]byte("[[a,b],[]]"), []byte("[{k:v}]"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		want := []any{(&grower{a}).value(0), (&grower{b}).value(0)}
		key, err := keybuilder.New("p").Key("f", param{"a", want[0]}, param{"b", want[1]})
		if err != nil {
			t.Fatal(err)
		}
		d := decoder{t: t, rest: key}
		d.expect("p:f(a=")
		first := d.value()
		d.expect(",b=")
		got := []any{first, d.value()}
		d.expect(")")
		if d.rest != "" || !reflect.DeepEqual(got, want) {
			t.Errorf("%q decodes to %q and leaves %q, want %q", key, got, d.rest, want)
		}
	})
}

// grower makes values of bytes: text, nil, []any and map[string]any, none of the last two empty unless it is []any{}.
type grower struct{ seed []byte }

func (g *grower) next() byte {
	if len(g.seed) == 0 {
		return 0
	}
	c := g.seed[0]
	g.seed = g.seed[1:]
	return c
}

func (g *grower) value(depth int) any {
	switch c := g.next(); {
	case depth < 6 && c == '[':
		list := []any{}
		for len(g.seed) > 0 && g.seed[0] != ']' {
			list = append(list, g.value(depth+1))
		}
		g.next()
		return list
	case depth < 6 && c == '{':
		fields := map[string]any{g.text(): g.value(depth + 1)}
		for len(g.seed) > 0 && g.seed[0] != '}' {
			fields[g.text()] = g.value(depth + 1)
		}
		g.next()
		return fields
	case c == 'N':
		return nil
	default:
		return g.text()
	}
}

// text takes a byte for a length and as many bytes.
func (g *grower) text() string {
	n := min(int(g.next()%8), len(g.seed))
	text := string(g.seed[:n])
	g.seed = g.seed[n:]
	return text
}

// decoder reads the values of a key by the grammar of the package's documentation.
type decoder struct {
	t    *testing.T
	rest string
}

func (d *decoder) expect(s string) {
	if !strings.HasPrefix(d.rest, s) {
		d.t.Fatalf("%q where %q should be", d.rest, s)
	}
	d.rest = d.rest[len(s):]
}

func (d *decoder) value() any {
	if !strings.HasPrefix(d.rest, "(") {
		end := strings.IndexAny(d.rest, "(),=")
		text := d.rest[:end]
		d.rest = d.rest[end:]
		switch text {
		case "%nil":
			return nil
		case "%":
			return ""
		}
		text, err := url.PathUnescape(text)
		if err != nil {
			d.t.Fatal(err)
		}
		return text
	}
	d.expect("(")
	list, fields := []any{}, map[string]any{}
	for d.rest[0] != ')' {
		v := d.value()
		if d.rest[0] == '=' {
			d.expect("=")
			fields[v.(string)] = d.value()
		} else {
			list = append(list, v)
		}
		if d.rest[0] != ')' {
			d.expect(",")
		}
	}
	d.expect(")")
	if len(fields) > 0 {
		return fields
	}
	return list
}
