package middleware_test

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	larder "github.com/larderhq/larder/middleware"
)

// openCache returns a cache that logs nothing unless o says so, closed when the test ends.
func openCache(t testing.TB, o larder.Options) *larder.Cache {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c, err := larder.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// answered is what a client got.
type answered struct {
	status int
	header http.Header
	body   string
}

// hit reports whether the answer came from the store.
func (a answered) hit() bool { return a.header.Get("X-Cache") == "Hit" }

// all is a field's lines in one text.
func (a answered) all(name string) string { return strings.Join(a.header.Values(name), " | ") }

// key is what Options.StatusKey shows of the key of a hit.
func (a answered) key() string {
	_, key, _ := strings.Cut(a.header.Get("Cache-Status"), `; key="`)
	return strings.TrimSuffix(key, `"`)
}

// ask sends a request written as in "GET /users/1" or "/users/1", with fields as in "Accept: text/plain". The field Host is the
// request's host.
func ask(t testing.TB, h http.Handler, line string, fields ...string) answered {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, asked(t, line, fields...))
	return answered{w.Code, w.Result().Header, w.Body.String()}
}

func asked(t testing.TB, line string, fields ...string) *http.Request {
	t.Helper()
	method, target, found := strings.Cut(line, " ")
	if !found {
		method, target = http.MethodGet, line
	}
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	r.Host = "shop.example"
	for _, f := range fields {
		name, value, found := strings.Cut(f, ":")
		if !found {
			t.Fatalf("field %q has no colon", f)
		}
		if value = strings.TrimPrefix(value, " "); name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	return r
}

// counted is a handler that counts its runs, and numbers them in its answers unless it has one of its own.
type counted struct {
	runs   atomic.Int64
	answer http.HandlerFunc
}

func (c *counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := c.runs.Add(1)
	if c.answer != nil {
		c.answer(w, r)
		return
	}
	write(w, fmt.Sprintf("run %d", n))
}

// write writes a body; a test's client does not go away.
func write(w http.ResponseWriter, body string) { _, _ = w.Write([]byte(body)) }

// answering is a handler with these header fields, status and body.
func answering(status int, body string, fields ...string) *counted {
	return &counted{answer: func(w http.ResponseWriter, _ *http.Request) {
		for _, f := range fields {
			name, value, _ := strings.Cut(f, ": ")
			w.Header().Add(name, value)
		}
		w.WriteHeader(status)
		if body != "" {
			write(w, body)
		}
	}}
}

// seen answers with all that a handler can tell a resource by.
func seen(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	write(w, fmt.Sprintf("host=%s tls=%t path=%s escaped=%s query=%q", strings.ToLower(r.Host), r.TLS != nil,
		r.URL.Path, r.URL.EscapedPath(), r.URL.RawQuery))
}

// expectFields compares fields: "Name: value", with several lines joined by " | ", or "Name:" for an absent one.
func expectFields(t testing.TB, a answered, fields ...string) {
	t.Helper()
	for _, f := range fields {
		name, want, _ := strings.Cut(f, ":")
		if got, want := a.all(name), strings.TrimPrefix(want, " "); got != want {
			t.Errorf("%s: got %q, want %q (status %d, %v)", name, got, want, a.status, slices.Sorted(maps.Keys(a.header)))
		}
	}
}

// journal is a log that a test reads.
type journal struct {
	mu sync.Mutex
	b  strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// count is how many lines hold all the words.
func (j *journal) count(words ...string) int {
	n := 0
	for line := range strings.Lines(j.String()) {
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
			n++
		}
	}
	return n
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
