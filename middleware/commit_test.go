package middleware

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// post asks a server with a POST.
func (c *wire) post(path string) *wire {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n\r\n", path); err != nil {
		c.t.Fatal(err)
	}
	return c
}

// TestHijackBehindHeader: a header that is held back goes out before the connection is given away, as without the cache; with POST
// it may be that of another protocol.
func TestHijackBehindHeader(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusSwitchingProtocols} {
		answer := func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-A", "b")
			if status == http.StatusOK {
				w.Header().Set("Content-Length", "2")
			}
			w.WriteHeader(status)
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer func() { _ = conn.Close() }() // the test sees what it wrote
			_, _ = rw.WriteString("hi")
			_ = rw.Flush()
		}
		for name, ask := range map[string]func(c *wire) *wire{
			"GET":  func(c *wire) *wire { return c.get("/") },
			"POST": func(c *wire) *wire { return c.post("/") },
		} {
			o := &origin{answer: answer}
			server := serve(t, newTestCache(t, Options{}).For(time.Minute)(o))
			for range 2 {
				c := ask(dial(t, server))
				res := c.head()
				if body, _ := io.ReadAll(c.r); res.StatusCode != status || res.Header.Get("X-A") != "b" || string(body) != "hi" {
					t.Errorf("%s: got %s %v %q, want %d", name, res.Status, res.Header, body, status)
				}
			}
			o.ran(t, 2)
		}
	}
}

// TestHeldHeaderIsFinal: what a handler does to its fields behind its header changes nothing, wherever the response was held back,
// but for the trailers that it announced.
func TestHeldHeaderIsFinal(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"no body": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum, x-other")
			w.WriteHeader(http.StatusOK)
			w.Header().Set("X-Sum", "0")
			w.Header().Set("X-Late", "lost")
		},
		"body": announcedTrailer,
		"flushed": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
			w.Header().Set("X-Late", "lost")
			_ = http.NewResponseController(w).Flush()
		},
	} {
		t.Run(name, func(t *testing.T) {
			cache := newTestCache(t, Options{})
			want := exchangeText(dial(t, serve(t, answer)).get("/"))
			for _, h := range []http.Handler{cache.For(time.Minute)(answer), cache.FromHeaders()(answer), cache.Invalidates()(answer)} {
				server := serve(t, h)
				for _, got := range []text{exchangeText(dial(t, server).get("/")), exchangeText(dial(t, server).post("/"))} {
					if got.trailer != want.trailer || got.body != want.body || got.header.Get("X-Late") != "" || got.header.Get("X-Sum") != "" {
						t.Errorf("got  %+v\nwant %+v", got, want)
					}
				}
			}
		})
	}
}

// TestInvalidStatusOfAWrite: a status that net/http refuses is refused while the handler runs, not when what is held back goes out.
func TestInvalidStatusOfAWrite(t *testing.T) {
	for _, status := range []int{0, 99, 1000} {
		h := newTestCache(t, Options{}).Invalidates()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			defer func() { http.Error(w, fmt.Sprint(recover()), http.StatusInternalServerError) }()
			w.WriteHeader(status)
		}))
		got := exchangeText(dial(t, serve(t, h)).post("/"))
		if want := fmt.Sprintf("invalid WriteHeader code %d\n", status); got.status != http.StatusInternalServerError || got.body != want {
			t.Errorf("%d: got %+v", status, got)
		}
	}
}

// TestErrorBehindHeader: a response that its handler gave up behind its header is for its own client. One who waits takes over,
// and a refresh that fails so keeps what is stored.
func TestErrorBehindHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		o.answer = func(w http.ResponseWriter, r *http.Request) {
			if n := o.runs.Load(); n == 1 || n == 3 {
				failsHalfway(w, r)
				return
			}
			_, _ = io.WriteString(w, "hello")
		}
		h := newTestCache(t, Options{}).For(time.Minute, Stale(time.Hour))(o)
		expect(t, get(t, h, "/"), http.StatusOK, "helno more\n", "Cache-Status", "larder; fwd=uri-miss; detail=error")
		expect(t, get(t, h, "/"), http.StatusOK, "hello", "X-Cache", "Miss")
		time.Sleep(2 * time.Minute)
		for range 2 {
			expect(t, get(t, h, "/"), http.StatusOK, "hello", "X-Cache", "Hit")
			synctest.Wait()
		}
		o.ran(t, 3)
	})
}
