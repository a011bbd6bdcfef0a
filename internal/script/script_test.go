package script

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// memo is a cache just good enough to tell scripts from one another: it keeps one response, and refreshes it in the
// background once it is too old.
type memo struct {
	origin   http.Handler
	lifetime time.Duration
	field    string
	began    time.Time
	kept     *httptest.ResponseRecorder
}

func buildMemo(t testing.TB, origin http.Handler, options map[string]string) http.Handler {
	lifetime, err := time.ParseDuration(options["lifetime"])
	if err != nil {
		t.Fatal(err)
	}
	m := &memo{origin: origin, lifetime: lifetime, field: "Memo"}
	if name, ok := options["field"]; ok {
		m.field = name
	}
	return m
}

func (m *memo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet:
		m.origin.ServeHTTP(w, r)
	case m.kept == nil:
		m.fill(r)
		m.answer(w, "fill")
	case time.Since(m.began) < m.lifetime:
		m.answer(w, "kept")
	default:
		m.answer(w, "stale")
		go m.fill(r.WithContext(context.WithoutCancel(r.Context())))
	}
}

func (m *memo) fill(r *http.Request) {
	began, kept := time.Now(), httptest.NewRecorder()
	r.Header.Set("User-Agent", "memo/1")
	m.origin.ServeHTTP(kept, r)
	m.began, m.kept = began, kept
}

func (m *memo) answer(w http.ResponseWriter, state string) {
	maps.Copy(w.Header(), m.kept.Header())
	w.Header().Set(m.field, state)
	w.WriteHeader(m.kept.Code)
	_, _ = w.Write(m.kept.Body.Bytes())
}

func TestScriptsHold(t *testing.T) { RunAll(t, "testdata/*.txt", buildMemo) }

func TestRealPlaysTheShortOnes(t *testing.T) { RunReal(t, "testdata/*.txt", time.Second, buildMemo) }

func TestWaits(t *testing.T) {
	for path, want := range map[string]time.Duration{"testdata/memo.txt": time.Minute, "testdata/real.txt": 20 * time.Millisecond} {
		if got := load(t, path).waits(); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}

func TestContextEndsWithTheRequest(t *testing.T) {
	var seen context.Context
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if seen = r.Context(); seen.Err() != nil {
			t.Errorf("the context ended early: %v", seen.Err())
		}
	})
	send(t, h, &block{verb: "GET", args: []string{"/"}})
	if seen.Err() == nil {
		t.Error("the context outlives the request")
	}
}

// TestFailures shows that every kind of wrong expectation fails, at its own line.
func TestFailures(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"status":           {"GET /\norigin 200\nexpect 201", `x.txt:3: got status 200, want 201`},
		"field value":      {"GET /\norigin 200\n\tA: 1\nexpect 200\n\tA: 2", `x.txt:5: A: got ["1"], want ["2"]`},
		"field missing":    {"GET /\norigin 200\nexpect 200\n\tA: 2", `x.txt:4: A: got [], want ["2"]`},
		"field repeated":   {"GET /\norigin 200\n\tA: 1\n\tA: 1\nexpect 200\n\tA: 1", `x.txt:6: A: got ["1" "1"], want ["1"]`},
		"fields joined":    {"GET /\norigin 200\n\tA: 1 2\nexpect 200\n\tA: 1\n\ta: 2", `x.txt:5: A: got ["1 2"], want ["1" "2"]`},
		"field present":    {"GET /\norigin 200\n\tA: 1\nexpect 200\n\t!A", `x.txt:5: A: got ["1"], want none`},
		"pattern":          {"GET /\norigin 200\n\tA: xay\nexpect 200\n\tA: ~ a", `x.txt:5: A: got ["xay"], want a match of ^(?:a)$`},
		"pattern, missing": {"GET /\norigin 200\nexpect 200\n\tA: ~ .*", `x.txt:4: A: got [], want a match of ^(?:.*)$`},
		"body":             {"GET /\norigin 200\n\n\ta\nexpect 200\n\n\tb", `x.txt:5: got body "a", want "b"`},
		"body, no":         {"GET /\norigin 200\n\n\ta\nexpect 200\n\n\t(empty)", `x.txt:5: got body "a", want ""`},
		"body, more":       {"GET /\norigin 200\n\n\ta\n\n\tb\nexpect 200\n\n\ta", `x.txt:7: got body "a\n\nb", want "a"`},
		"body of a 304":    {"GET /\norigin 304\n\n\ta\nexpect 304", `x.txt:5: got body "a", want ""`},
		"request field":    {"GET /\n\tA: 1\norigin 200\n\t> A: 2\nexpect 200", `x.txt:4: A: got ["1"], want ["2"]`},
		"request, absent":  {"GET /\n\tA: 1\norigin 200\n\t> !A\nexpect 200", `x.txt:4: A: got ["1"], want none`},
		"pseudo-field":     {"GET /?a\norigin 200\n\t> :path: /\nexpect 200", `x.txt:3: :path: got ["/?a"], want ["/"]`},
		"origin not asked": {"GET /\norigin 200\norigin 200\nexpect 200", `x.txt:3: the origin was not asked`},
		"origin asked":     {"\nGET /a\norigin none\nexpect 418", `x.txt:2: the origin was asked (GET /a) and has no answer`},
		"only the first":   {"GET /\norigin 200\nexpect 201\nGET /\norigin 200\nexpect 202", `x.txt:3: got status 200, want 201`},
	}
	through := func(_ testing.TB, origin http.Handler, _ map[string]string) http.Handler { return origin }
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := parse("x.txt", tt.text)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				got := s.play(t, through, func(func() bool) { synctest.Wait() })
				if len(got) == 0 || got[0] != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// TestBackgroundIsCharged shows that the origin is not asked behind the script's back.
func TestBackgroundIsCharged(t *testing.T) {
	s, err := parse("x.txt", "with lifetime=0s\nGET /\norigin 200\nexpect 200\n\nGET /\nexpect 200")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"x.txt:6: the origin was asked (GET /) and has no answer"}
	synctest.Test(t, func(t *testing.T) {
		if got := s.play(t, buildMemo, func(func() bool) { synctest.Wait() }); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestParseErrors(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"empty":              {"# only a comment\n", "x.txt:1: the script must end with an expect"},
		"no expect":          {"GET /\norigin 200\n", "x.txt:2: the script must end with an expect"},
		"no expect, earlier": {"GET /\nGET /\nexpect 200", "x.txt:2: the request before this one has no expect"},
		"expect alone":       {"expect 200", "x.txt:1: expect needs a request above it"},
		"two expects":        {"GET /\nexpect 200\nexpect 200", "x.txt:3: expect needs a request above it"},
		"unknown verb":       {"get /\nexpect 200", `x.txt:1: "get" is no verb`},
		"target":             {"GET doc\nexpect 200", "invalid URI"},
		"no target":          {"GET\nexpect 200", `"GET" is no verb`},
		"status":             {"GET /\nexpect ok", `x.txt:2: strconv.Atoi: parsing "ok"`},
		"delay":              {"GET /\norigin 200 after noon\nexpect 200", `x.txt:2: time: invalid duration "noon"`},
		"wait":               {"wait", `x.txt:1: time: invalid duration ""`},
		"wait inside":        {"GET /\nwait 1s\nexpect 200", "x.txt:2: wait goes between exchanges"},
		"with below":         {"GET /\nexpect 200\nwith a=b", "x.txt:3: with goes to the top of the script"},
		"with twice":         {"with a=b\nwith a=c", "x.txt:2: with a=c: write each name=value once"},
		"with no value":      {"with a", "x.txt:1: with a: write each name=value once"},
		"two spaces":         {"GET /\n  A: 1\nexpect 200", "x.txt:2: indent with four spaces or a tab"},
		"nothing above":      {"\n    A: 1\n", "x.txt:2: an indented line needs a verb above it"},
		"no field":           {"GET /\n    body\nexpect 200", `x.txt:2: "body" is no field`},
		"pattern":            {"GET /\nexpect 200\n    A: ~ (", "x.txt:3: error parsing regexp"},
		"seen by the client": {"GET /\nexpect 200\n    > A: 1", "x.txt:3: > tells what an origin must see"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parse("x.txt", tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
