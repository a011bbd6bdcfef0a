package middleware

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRecorderIsTransparent compares what a client gets through the recorder with what the handler alone gives it, and says what
// of it is stored.
func TestRecorderIsTransparent(t *testing.T) {
	cases := map[string]struct {
		answer http.HandlerFunc
		stored bool
		detail string // of Cache-Status
	}{
		"writes nothing":       {func(http.ResponseWriter, *http.Request) {}, true, ""},
		"implicit 200":         {says("hello"), true, ""},
		"header only":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, true, ""},
		"superfluous header":   {superfluous, true, ""},
		"error behind header":  {failsHalfway, false, detailError},
		"invalid status":       {invalidStatus, false, "status"},
		"fields after header":  {fieldsAfterHeader, true, ""},
		"body of 204":          {bodyOf204, true, ""},
		"more than declared":   {moreThanDeclared, true, ""},
		"less than declared":   {lessThanDeclared, false, detailIncomplete},
		"nothing as declared":  {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "5") }, false, detailIncomplete},
		"body declared":        {declared("hello"), true, ""},
		"large body":           {func(w http.ResponseWriter, _ *http.Request) { writeTimes(w, 64) }, false, detailBodySize},
		"large body, declared": {declared(strings.Repeat("x", 5000)), false, detailBodySize},
		"body at the limit":    {says(strings.Repeat("x", 4000)), true, ""},
		"ReadFrom":             {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader("hello")) }, true, ""},
		"ReadFrom, large": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, io.LimitReader(zeros{}, 100_000))
		}, false, detailBodySize},
		"trailer announced":   {announcedTrailer, false, "trailer"},
		"trailer unannounced": {unannouncedTrailer, false, detailTrailer},
		"flush":               {flushed, false, detailFlush},
		"error":               {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) }, false, "status"},
		"early hints":         {earlyHints, true, ""},
		"content type unset": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, "<html>")
		}, true, ""},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			cache := newTestCache(t, Options{MaxBodyBytes: 4000})
			plain := &origin{answer: test.answer}
			cached := &origin{answer: test.answer}
			want := exchangeText(dial(t, serve(t, plain)).get("/"))
			server := serve(t, cache.For(time.Minute)(cached))
			first := dial(t, server).get("/")
			got := exchangeText(first)
			if got.body != want.body || got.status != want.status || got.err != want.err || got.trailer != want.trailer || got.informed != want.informed {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			for _, name := range []string{"Content-Type", "X-Late", "X-Early"} {
				if got.header.Get(name) != want.header.Get(name) {
					t.Errorf("%s: %q, want %q", name, got.header.Get(name), want.header.Get(name))
				}
			}
			status := got.header.Get("Cache-Status")
			if strings.Contains(status, "stored") != test.stored || !strings.Contains(status, test.detail) {
				t.Errorf("Cache-Status: %s", status)
			}
			again := exchangeText(dial(t, server).get("/"))
			if hit := again.header.Get("X-Cache") == "Hit"; hit != test.stored {
				t.Errorf("second request: hit %v, want %v", hit, test.stored)
			}
			if again.body != want.body || again.status != want.status {
				t.Errorf("second request: %+v\nwant %+v", again, want)
			}
		})
	}
}

// text is a response as a client sees it.
type text struct {
	status   int
	header   http.Header
	body     string
	trailer  string
	err      string
	informed string // the Link fields of informational responses
}

func exchangeText(c *wire) (s text) {
	res := c.head()
	for res.StatusCode < 200 {
		s.informed += fmt.Sprint(res.StatusCode, res.Header["Link"])
		res = c.head()
	}
	body, err := io.ReadAll(res.Body)
	s.status, s.header, s.body, s.trailer = res.StatusCode, res.Header, string(body), fmt.Sprint(res.Trailer)
	if err != nil {
		s.err = err.Error()
	}
	return s
}

func superfluous(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusOK)
	w.WriteHeader(http.StatusNoContent)
	_, _ = io.WriteString(w, "hello")
	w.WriteHeader(http.StatusOK)
}

// failsHalfway is a handler whose template cannot be finished.
func failsHalfway(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "hel")
	http.Error(w, "no more", http.StatusInternalServerError)
}

// invalidStatus is a handler that recovers from its own mistake.
func invalidStatus(w http.ResponseWriter, _ *http.Request) {
	defer func() {
		http.Error(w, fmt.Sprint(recover()), http.StatusInternalServerError)
	}()
	w.WriteHeader(1000)
}

func fieldsAfterHeader(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Early", "kept")
	w.Header().Add("X-Early", "both")
	w.WriteHeader(http.StatusOK)
	Entry(r).TTL(time.Hour)
	w.Header().Set("X-Late", "lost")
	w.Header().Del("X-Early")
	w.Header().Set("Set-Cookie", "late=1")
	w.Header().Set("Cache-Control", "no-store")
}

func bodyOf204(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNoContent)
	if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrBodyNotAllowed) {
		panic(fmt.Sprint("body of a 204: ", err))
	}
}

func declared(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = io.WriteString(w, body)
	}
}

func moreThanDeclared(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "5")
	_, _ = io.WriteString(w, "hello")
	if n, err := io.WriteString(w, "more"); n != 0 || !errors.Is(err, http.ErrContentLength) {
		panic(fmt.Sprint("more than declared: ", n, err))
	}
}

func lessThanDeclared(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "10")
	_, _ = io.WriteString(w, "hello")
}

func writeTimes(w io.Writer, n int) {
	for range n {
		_, _ = io.WriteString(w, strings.Repeat("0123456789abcdef", 4))
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return copy(p, strings.Repeat("0", len(p))), nil }

func announcedTrailer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Trailer", "X-Sum")
	_, _ = io.WriteString(w, "hello")
	w.Header().Set("X-Sum", "5")
}

func unannouncedTrailer(w http.ResponseWriter, _ *http.Request) {
	writeTimes(w, 50) // enough for net/http to send it in chunks
	w.Header().Set(http.TrailerPrefix+"X-Sum", "5")
}

func flushed(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "hel")
	w.(http.Flusher).Flush()
	_, _ = io.WriteString(w, "lo")
}

func earlyHints(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Link", "</a.css>")
	w.WriteHeader(http.StatusEarlyHints)
	w.Header().Set("Link", "</b.css>")
	w.WriteHeader(http.StatusEarlyHints)
	_, _ = io.WriteString(w, "hello")
}

// TestInformationalResponseIsRelayedAtOnce: the client sees each 103 while the handler still runs.
func TestInformationalResponseIsRelayedAtOnce(t *testing.T) {
	next := make(chan struct{})
	cache := newTestCache(t, Options{})
	o := &origin{answer: func(w http.ResponseWriter, _ *http.Request) {
		for range 2 {
			w.WriteHeader(http.StatusEarlyHints)
			<-next
		}
		_, _ = io.WriteString(w, "done")
	}}
	c := dial(t, serve(t, cache.For(time.Minute)(o))).get("/")
	for range 2 {
		if res := c.head(); res.StatusCode != http.StatusEarlyHints {
			t.Fatalf("got %s", res.Status)
		}
		next <- struct{}{}
	}
	if res, body, err := c.read(); res.StatusCode != http.StatusOK || body != "done" || err != nil {
		t.Errorf("got %s %q %v", res.Status, body, err)
	}
}

// TestResponseController: what a handler asks of its writer reaches the client's own, in every mode of the recorder.
func TestResponseController(t *testing.T) {
	var errs []error
	cache := newTestCache(t, Options{})
	o := &origin{answer: func(w http.ResponseWriter, _ *http.Request) {
		rc := http.NewResponseController(w)
		errs = append(errs, rc.SetWriteDeadline(time.Now().Add(time.Hour)), rc.SetReadDeadline(time.Time{}), rc.EnableFullDuplex())
		_, _ = io.WriteString(w, "a")
		errs = append(errs, rc.Flush(), rc.SetWriteDeadline(time.Time{}))
		_, _ = io.WriteString(w, "b")
		errs = append(errs, rc.Flush())
	}}
	if _, body, err := dial(t, serve(t, cache.For(time.Minute)(o))).get("/").read(); body != "ab" || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

// TestFlushErrorIsTheClients: FlushError reports what the client's own writer says.
func TestFlushErrorIsTheClients(t *testing.T) {
	cache := newTestCache(t, Options{})
	var got error
	h := cache.For(time.Minute)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		got = http.NewResponseController(w).Flush()
	}))
	h.ServeHTTP(flushFails{httptest.NewRecorder()}, request(t.Context(), "/"))
	if !errors.Is(got, errTest) {
		t.Errorf("Flush: %v", got)
	}
}

type flushFails struct{ http.ResponseWriter }

func (flushFails) FlushError() error { return errTest }

func TestHijack(t *testing.T) {
	for name, before := range map[string]func(http.ResponseWriter){
		"at once":        func(http.ResponseWriter) {},
		"after a field":  func(w http.ResponseWriter) { w.Header().Set("Set-Cookie", "a=b") },
		"after one 103":  func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints) },
		"after deadline": func(w http.ResponseWriter) { _ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) },
	} {
		t.Run(name, func(t *testing.T) {
			cache := newTestCache(t, Options{})
			o := &origin{answer: func(w http.ResponseWriter, _ *http.Request) {
				before(w)
				conn, rw, err := w.(http.Hijacker).Hijack()
				if err != nil {
					panic(err)
				}
				defer func() { _ = conn.Close() }() // the test sees what it wrote
				_, _ = rw.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
				_ = rw.Flush()
				_, _ = w.Write([]byte("too late")) // ErrHijacked
			}}
			server := serve(t, cache.For(time.Minute)(o))
			for range 2 {
				if s := exchangeText(dial(t, server).get("/")); s.status != http.StatusOK || s.body != "hi" {
					t.Errorf("got %+v", s)
				}
			}
			o.ran(t, 2)
		})
	}
}

// TestUpgrade: a handler that switches protocols gets the connection, with and without an Upgrade field in the request.
func TestUpgrade(t *testing.T) {
	for _, lines := range [][]string{nil, {"Connection: Upgrade", "Upgrade: echo"}} {
		cache := newTestCache(t, Options{})
		o := &origin{answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Upgrade", "echo")
			w.Header().Set("Connection", "Upgrade")
			w.WriteHeader(http.StatusSwitchingProtocols)
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer func() { _ = conn.Close() }() // the test sees what it wrote
			line, _ := rw.ReadString('\n')
			_, _ = io.WriteString(conn, line)
		}}
		c := dial(t, serve(t, cache.For(time.Minute)(o))).get("/", lines...)
		if res := c.head(); res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Upgrade") != "echo" {
			t.Fatalf("got %s %v", res.Status, res.Header)
		}
		if _, err := io.WriteString(c, "ping\n"); err != nil {
			t.Fatal(err)
		}
		if echo, err := c.r.ReadString('\n'); echo != "ping\n" {
			t.Errorf("got %q, %v", echo, err)
		}
	}
}

// TestHijackRefused: where the client's writer cannot be hijacked, the handler answers otherwise and its answer is stored.
func TestHijackRefused(t *testing.T) {
	cache := newTestCache(t, Options{})
	o := &origin{answer: func(w http.ResponseWriter, _ *http.Request) {
		if _, _, err := w.(http.Hijacker).Hijack(); !errors.Is(err, http.ErrNotSupported) {
			panic(fmt.Sprint("hijack: ", err))
		}
		_, _ = io.WriteString(w, "plain")
	}}
	h := cache.For(time.Minute)(o)
	expect(t, get(t, h, "/"), http.StatusOK, "plain", "X-Cache", "Miss")
	expect(t, get(t, h, "/"), http.StatusOK, "plain", "X-Cache", "Hit")
}

// TestHijackRefusedBesideStale: a run that was refused a connection has not begun to answer, so that its time-out can.
func TestHijackRefusedBesideStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		defer close(hung)
		o := versions("max-age=1, stale-if-error=60", func(w http.ResponseWriter, _ *http.Request) {
			_, _, _ = w.(http.Hijacker).Hijack()
			<-hung
		})
		h := newTestCache(t, Options{FillTimeout: time.Second}).FromHeaders()(o)
		get(t, h, "/")
		time.Sleep(2 * time.Second)
		began := time.Now()
		expect(t, get(t, h, "/"), http.StatusOK, "1", "Cache-Status", "larder; fwd=stale; detail=stale-if-error")
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// readerFrom counts how often the short cut for files is taken.
type readerFrom struct {
	http.ResponseWriter
	used int
}

func (w *readerFrom) ReadFrom(src io.Reader) (int64, error) {
	w.used++
	return io.Copy(justWriter{w.ResponseWriter}, src)
}

// TestReadFromTakesTheShortCut: a file that is too large to be stored reaches the client's own ReadFrom, as without the cache.
func TestReadFromTakesTheShortCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(path, make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	cache := newTestCache(t, Options{MaxBodyBytes: 50_000})
	h := cache.For(time.Minute)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) }))
	w := &readerFrom{ResponseWriter: httptest.NewRecorder()}
	h.ServeHTTP(w, request(t.Context(), "/"))
	if n := w.ResponseWriter.(*httptest.ResponseRecorder).Body.Len(); w.used != 1 || n != 100_000 {
		t.Errorf("ReadFrom was used %d times, for %d bytes", w.used, n)
	}
}

// TestWriteErrorReachesTheHandler: a handler that streams learns that its client has left.
func TestWriteErrorReachesTheHandler(t *testing.T) {
	cache := newTestCache(t, Options{MaxBodyBytes: 10})
	var got error
	h := cache.For(time.Minute)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 11))
		_, got = io.WriteString(w, "more")
	}))
	h.ServeHTTP(writeFails{httptest.NewRecorder()}, request(t.Context(), "/"))
	if !errors.Is(got, errTest) {
		t.Errorf("Write: %v", got)
	}
}

type writeFails struct{ http.ResponseWriter }

func (writeFails) Write([]byte) (int, error) { return 0, errTest }

var _ interface {
	http.ResponseWriter
	http.Flusher
	http.Hijacker
	io.ReaderFrom
	FlushError() error
	Unwrap() http.ResponseWriter
} = (*recorder)(nil)
