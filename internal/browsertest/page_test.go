package browsertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	larder "github.com/larderhq/larder/middleware"
)

const text = "Gulls 4, Owls 2"

// site serves one page through a cache and notes what was asked for it.
type site struct {
	url string

	mu        sync.Mutex
	exchanges []exchange
}

type exchange struct {
	ifNoneMatch string
	status      int
	etag        string
	xCache      string
}

// startSite serves the page under a route of the cache.
func startSite(t *testing.T, rules ...larder.Rule) *site {
	t.Helper()
	cache, err := larder.New(larder.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cache.Close(); err != nil {
			t.Error(err)
		}
	})
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if _, err := fmt.Fprintf(w, "<!doctype html><title>Score</title><body>%s</body>", text); err != nil {
			t.Error(err)
		}
	})
	s := &site{}
	mux := http.NewServeMux()
	mux.Handle("GET /page", s.note(cache.For(lifetime, rules...)(page)))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.url = server.URL + "/page"
	return s
}

// note records what next is asked and answers, as it would be seen on the wire.
func (s *site) note(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(status, r)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.exchanges = append(s.exchanges, exchange{
			ifNoneMatch: r.Header.Get("If-None-Match"), status: status.status,
			etag: w.Header().Get("ETag"), xCache: w.Header().Get("X-Cache"),
		})
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (s *site) asked() []exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.exchanges)
}

// lifetime is long enough for a browser on a busy machine to come back within it.
const lifetime = 10 * time.Second

// visitAndCheck opens the page and returns whether the browser took it from its own cache.
func (s *site) visitAndCheck(t *testing.T, b browser) (own bool) {
	t.Helper()
	r, shown := b.visit(t, s.url)
	if shown != text {
		t.Errorf("the browser shows %q, want %q", shown, text)
	}
	return r.FromDiskCache
}

func TestBrowserKeepsThePageAndValidatesIt(t *testing.T) {
	t.Parallel()
	browser, s := startBrowser(t), startSite(t)

	if s.visitAndCheck(t, browser) {
		t.Error("first visit: the page came from an empty cache")
	}
	first := s.asked()
	if len(first) != 1 || first[0].status != http.StatusOK || first[0].ifNoneMatch != "" || first[0].etag == "" {
		t.Fatalf("first visit: the server saw %+v, want one 200 with an ETag", first)
	}

	if !s.visitAndCheck(t, browser) || len(s.asked()) != 1 {
		t.Errorf("second visit: the browser did not use its own cache; the server saw %+v", s.asked())
	}

	time.Sleep(lifetime + time.Second) // Ages are whole seconds.
	s.visitAndCheck(t, browser)
	validated := s.asked()
	want := exchange{ifNoneMatch: first[0].etag, status: http.StatusNotModified, etag: first[0].etag, xCache: "Miss"}
	if len(validated) != 2 || validated[1] != want {
		t.Fatalf("after expiry: the server saw %+v, want %+v in the second place", validated, want)
	}

	if !s.visitAndCheck(t, browser) || len(s.asked()) != 2 {
		t.Errorf("after the 304 the browser did not use its own cache; the server saw %+v", s.asked())
	}
}

func TestBrowserAsksEachTimeWhereToldTo(t *testing.T) {
	t.Parallel()
	browser, s := startBrowser(t), startSite(t, larder.Browser(0))

	s.visitAndCheck(t, browser)
	s.visitAndCheck(t, browser)
	seen := s.asked()
	if len(seen) != 2 {
		t.Fatalf("the server saw %+v, want two requests", seen)
	}
	want := exchange{ifNoneMatch: seen[0].etag, status: http.StatusNotModified, etag: seen[0].etag, xCache: "Hit"}
	if seen[1] != want {
		t.Errorf("second visit: the server saw %+v, want %+v", seen[1], want)
	}
}
