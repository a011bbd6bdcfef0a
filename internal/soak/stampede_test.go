package soak

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
	larder "github.com/larderhq/larder/middleware"
)

const (
	crowd   = 1000
	slowRun = 300 * time.Millisecond
)

func newCache(t *testing.T, o larder.Options) *larder.Cache {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
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

func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// recoverer turns a panic into a response, as services do. A connection that breaks off makes clients ask again.
func recoverer(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		h.ServeHTTP(w, r)
	})
}

// stampede is a thousand clients, each with a connection of its own, that ask for one key at once.
type stampede struct {
	t       *testing.T
	servers []*httptest.Server
	client  *http.Client
	runs    atomic.Int64
	times
}

// newStampede starts n replicas of a handler, on one Redis if there are several; middleware makes their caches.
func newStampede(t *testing.T, n int, handler http.HandlerFunc, middleware func(*larder.Cache) func(http.Handler) http.Handler) *stampede {
	t.Helper()
	s := &stampede{t: t, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: crowd}}}
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.runs.Add(1)
		time.Sleep(slowRun)
		handler(w, r)
	})
	var options larder.Options
	if n > 1 {
		// A quick run shares its cores with other tests and the race detector: goroutines that get none for longer than StoreTimeout look
		// like a Redis that is late, and if that happens twice in a row each replica runs.
		patience := either(0, 10*time.Second)
		options = larder.Options{Redis: redistest.Start(t).Client(), StoreTimeout: patience, Lease: patience}
	}
	var connected sync.WaitGroup
	connected.Add(crowd)
	for range n {
		mux := http.NewServeMux()
		mux.HandleFunc("/connect", func(http.ResponseWriter, *http.Request) { connected.Done(); connected.Wait() })
		mux.Handle("/", middleware(newCache(t, options))(counted))
		s.servers = append(s.servers, serve(t, recoverer(mux)))
	}
	t.Cleanup(s.client.CloseIdleConnections)
	s.all(func(i int) { _, _ = s.get(t.Context(), i, "/connect") })
	return s
}

func (s *stampede) all(f func(i int)) {
	var wg sync.WaitGroup
	for i := range crowd {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

func (s *stampede) get(ctx context.Context, i int, path string) (body string, err error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.servers[i%len(s.servers)].URL+path, http.NoBody)
	if err != nil {
		return "", err
	}
	q.Host = "shop.example"
	w, err := s.client.Do(q)
	if err != nil {
		return "", err
	}
	defer func() { _ = w.Body.Close() }() // it is read to its end, or has failed
	b, err := io.ReadAll(w.Body)
	if err == nil && w.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", w.StatusCode)
	}
	return string(b), err
}

// run lets everybody ask, and returns how many got an answer.
func (s *stampede) run(name string) (answered int) {
	var n atomic.Int64
	s.runs.Store(0)
	s.list = nil
	began := time.Now()
	s.all(func(i int) {
		sent := time.Now()
		if body, err := s.get(s.t.Context(), i, "/page"); err == nil && body == "page" {
			n.Add(1)
			s.add(time.Since(sent))
		}
	})
	s.t.Logf("%s: %d runs, %d of %d answered; p50 %v, p99 %v, the last after %v",
		name, s.runs.Load(), n.Load(), crowd, s.quantile(0.5), s.quantile(0.99), time.Since(began).Round(time.Millisecond))
	return int(n.Load())
}

func (s *stampede) expect(answered, wantAnswered int, wantRuns int64) {
	s.t.Helper()
	if n := s.runs.Load(); answered != wantAnswered || n != wantRuns {
		s.t.Errorf("%d answered with %d runs, want %d and %d", answered, n, wantAnswered, wantRuns)
	}
}

func minute(c *larder.Cache) func(http.Handler) http.Handler { return c.For(time.Minute) }

func writePage(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "page") }

// TestColdKey: one run answers a thousand clients, in one process and, with Once, in a fleet.
func TestColdKey(t *testing.T) {
	beside(t)
	for _, n := range []int{1, 3} {
		s := newStampede(t, n, writePage, func(c *larder.Cache) func(http.Handler) http.Handler {
			return c.For(time.Minute, larder.Once())
		})
		s.expect(s.run(fmt.Sprintf("%d replicas", n)), crowd, 1)
	}
}

// TestColdKeyLeaderLeaves: the client whose request began the run goes away; the others get what it began.
func TestColdKeyLeaderLeaves(t *testing.T) {
	beside(t)
	s := newStampede(t, 1, writePage, minute)
	ctx, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	gone := make(chan error)
	go func() {
		_, err := s.get(ctx, 0, "/page")
		gone <- err
	}()
	for s.runs.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	s.runs.Store(0)
	answered := s.run("the leader leaves after 50 ms")
	if err := <-gone; err == nil {
		t.Error("the leader stayed")
	}
	s.expect(answered, crowd, 0)
}

// TestColdKeyLeaderPanics: one waiter takes over.
func TestColdKeyLeaderPanics(t *testing.T) {
	beside(t)
	var first atomic.Bool
	s := newStampede(t, 1, func(w http.ResponseWriter, r *http.Request) {
		if first.CompareAndSwap(false, true) {
			panic("trouble")
		}
		writePage(w, r)
	}, minute)
	s.expect(s.run("the leader panics"), crowd-1, 2)
}

// TestColdKeyCookies: answers that may not be shared cost one run each, side by side as without a cache.
func TestColdKeyCookies(t *testing.T) {
	beside(t)
	handler := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "a=b")
		writePage(w, r)
	}
	bare := newStampede(t, 1, handler, func(*larder.Cache) func(http.Handler) http.Handler {
		return func(h http.Handler) http.Handler { return h }
	})
	bare.expect(bare.run("cookies, no cache"), crowd, crowd)
	s := newStampede(t, 1, handler, minute)
	s.expect(s.run("cookies, first"), crowd, crowd)
	s.expect(s.run("cookies, again"), crowd, crowd)
}
