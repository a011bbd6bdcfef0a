package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
	larder "github.com/larderhq/larder/middleware"
)

// replicas are caches on one Redis in front of one slow handler, which counts its runs.
func replicas(t *testing.T, n int, handler http.HandlerFunc, rules ...larder.Rule) []http.Handler {
	t.Helper()
	server := redistest.Start(t)
	list := make([]http.Handler, n)
	for i := range list {
		c, err := larder.New(patient(server))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
		list[i] = c.For(time.Minute, rules...)(handler)
	}
	return list
}

// TestOnce: a thousand requests for one cold key over three replicas run the handler once.
func TestOnce(t *testing.T) {
	var runs atomic.Int64
	fleet := replicas(t, 3, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(300 * time.Millisecond)
		fmt.Fprint(w, runs.Add(1))
	}, larder.Once())
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			w := httptest.NewRecorder()
			fleet[i%len(fleet)].ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if w.Code != http.StatusOK || w.Body.String() != "1" {
				t.Errorf("status %d, body %q", w.Code, w.Body)
			}
		})
	}
	wg.Wait()
	if n := runs.Load(); n != 1 {
		t.Errorf("%d runs, want 1", n)
	}
}

// TestOnceRefusedAnswer: what may not be stored makes nobody wait for the lease to run out.
func TestOnceRefusedAnswer(t *testing.T) {
	var runs atomic.Int64
	fleet := replicas(t, 2, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", "a=b")
		fmt.Fprint(w, runs.Add(1))
	}, larder.Once())
	for i := range 4 {
		fleet[i%2].ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
	if n := runs.Load(); n != 4 {
		t.Errorf("%d runs, want 4", n)
	}
}

// TestOnceRefresh: a stale entry is refreshed by one replica.
func TestOnceRefresh(t *testing.T) {
	var runs atomic.Int64
	release := make(chan struct{})
	fleet := replicas(t, 3, func(w http.ResponseWriter, r *http.Request) {
		if runs.Add(1) > 1 {
			<-release
		}
		larder.Entry(r).TTL(50 * time.Millisecond)
		fmt.Fprint(w, "x")
	}, larder.Once(), larder.Stale(time.Hour))
	get := func(i int) {
		fleet[i].ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
	get(0)
	get(1)
	get(2)
	time.Sleep(60 * time.Millisecond)
	for i := range 30 {
		get(i % 3)
	}
	time.Sleep(200 * time.Millisecond) // time for a second refresh to begin, were there one
	if n := runs.Load(); n != 2 {
		t.Errorf("%d runs, want 2: the fill and one refresh", n)
	}
	close(release)
}

// TestOnceRefreshIsShared: the other replicas take what one has refreshed in the place of their own stale entries.
func TestOnceRefreshIsShared(t *testing.T) {
	var runs atomic.Int64
	fleet := replicas(t, 3, func(w http.ResponseWriter, r *http.Request) {
		if larder.Entry(r).TTL(time.Hour); runs.Load() == 0 {
			larder.Entry(r).TTL(50 * time.Millisecond)
		}
		fmt.Fprint(w, runs.Add(1))
	}, larder.Once(), larder.Stale(time.Hour))
	get := func(i int) string {
		w := httptest.NewRecorder()
		fleet[i].ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		return w.Body.String()
	}
	for i := range fleet {
		get(i)
	}
	time.Sleep(60 * time.Millisecond)
	for i := range fleet {
		eventually(t, func() bool { return get(i) != "1" })
	}
	if n := runs.Load(); n != 2 {
		t.Errorf("%d runs, want 2: the fill and one refresh", n)
	}
}
