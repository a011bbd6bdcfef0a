package middleware

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// origin is a handler that counts its runs.
type origin struct {
	runs   atomic.Int64
	answer func(http.ResponseWriter, *http.Request)
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.runs.Add(1)
	o.answer(w, r)
}

func (o *origin) ran(t *testing.T, want int64) {
	t.Helper()
	if got := o.runs.Load(); got != want {
		t.Errorf("the handler ran %d times, want %d", got, want)
	}
}

// says is an answer of a few words.
func says(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// newTestCache returns a cache that logs nothing, unless told where, and is closed when the test ends.
func newTestCache(t *testing.T, o Options) *Cache {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c, err := New(o)
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

// request is a GET with fields, given as name and value in turns.
func request(ctx context.Context, target string, fields ...string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

// get has h answer a GET.
func get(t *testing.T, h http.Handler, target string, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(final{w}, request(t.Context(), target, fields...))
	return w
}

// final is a writer that knows of informational responses, as httptest's does not.
type final struct{ *httptest.ResponseRecorder }

func (w final) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.ResponseRecorder.WriteHeader(status)
	}
}

// expect checks an answer: its status, its body and fields, given as name and value in turns; a value may be the part of one.
func expect(t *testing.T, w *httptest.ResponseRecorder, status int, body string, fields ...string) {
	t.Helper()
	if w.Code != status || w.Body.String() != body {
		t.Errorf("got %d %q, want %d %q", w.Code, w.Body, status, body)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if got := strings.Join(w.Header().Values(fields[i]), ", "); got != fields[i+1] && (fields[i+1] == "" || !strings.Contains(got, fields[i+1])) {
			t.Errorf("%s: %q, want %q", fields[i], got, fields[i+1])
		}
	}
}

// crowd runs f n times at once.
func crowd(n int, f func(i int)) *sync.WaitGroup {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	return &all
}

// serve puts h on a real server.
func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// wire is a raw connection to a server.
type wire struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func dial(t *testing.T, s *httptest.Server) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // a test may have closed it itself
	return &wire{conn, t, bufio.NewReader(conn)}
}

// get sends a GET.
func (c *wire) get(target string, lines ...string) *wire {
	c.t.Helper()
	head := "GET " + target + " HTTP/1.1\r\nHost: larder.example\r\n"
	for _, line := range lines {
		head += line + "\r\n"
	}
	if _, err := io.WriteString(c, head+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
	return c
}

// head reads a response up to its empty line.
func (c *wire) head() *http.Response {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return res
}

// read reads a whole response.
func (c *wire) read() (*http.Response, string, error) {
	c.t.Helper()
	res := c.head()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

// records is a slog.Handler that keeps what is logged.
type records struct {
	mu   sync.Mutex
	list []string
}

func (l *records) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *records) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *records) WithGroup(string) slog.Handler                    { return l }

func (l *records) Handle(_ context.Context, r slog.Record) error {
	var b bytes.Buffer
	b.WriteString(r.Level.String() + " " + r.Message)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(" " + a.String())
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, b.String())
	return nil
}

// matching returns the records that hold text.
func (l *records) matching(text string) (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.list {
		if strings.Contains(line, text) {
			list = append(list, line)
		}
	}
	return list
}

// panics runs f and returns what it panics with.
func panics(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

var errTest = errors.New("test")

// eventually waits until something happens outside the test's control; only one that never does fails.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !happened(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
