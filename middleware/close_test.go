package middleware

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larderhq/larder/internal/redistest"
)

// TestCloseWaits: Close returns when refreshes and queued writes are done, whoever calls it, and requests pass by from then on.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fragile{takes: 30 * time.Millisecond}
		var refreshed atomic.Bool
		o := versions("", slowly(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "new")
			refreshed.Store(true)
		}))
		cache := newTestCache(t, Options{Store: f})
		h := cache.For(time.Second, Stale(time.Hour))(o)
		get(t, h, "/")
		time.Sleep(10 * time.Second)
		get(t, h, "/")
		crowd(3, func(int) {
			if err := cache.Close(); err != nil {
				t.Error(err)
			}
			if n := f.sets.Load(); !refreshed.Load() || n != 2 {
				t.Errorf("Close returned before its work was done: refreshed %v, %d writes", refreshed.Load(), n)
			}
		}).Wait()
		runs, calls := o.runs.Load(), f.gets.Load()
		for range 2 {
			expect(t, get(t, h, "/"), http.StatusOK, "new", "X-Cache", "", "Cache-Status", "", "Etag", "", "Cache-Control", "")
		}
		o.ran(t, runs+2)
		if f.gets.Load() != calls {
			t.Error("the store was used after Close")
		}
		if err := cache.Invalidate(t.Context(), All()); err != nil {
			t.Error(err)
		}
		if s := cache.Stats(); s.Entries != 0 || s.Bytes != 0 {
			t.Errorf("memory holds %+v", s)
		}
	})
}

// TestWriteAfterClose: other processes never hear of it, and the log does not promise that they will.
func TestWriteAfterClose(t *testing.T) {
	var said strings.Builder
	cache := newTestCache(t, Options{Redis: redistest.Start(t).Client(), Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err := cache.Close(); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	cache.Invalidates("items")(&origin{answer: says("hello")}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	expect(t, w, http.StatusOK, "hello")
	if log := said.String(); !strings.Contains(log, "invalidation lost") || strings.Contains(log, "trying again") {
		t.Errorf("the log says %s", log)
	}
}

// TestCloseIsBounded: a handler that never returns keeps Close for ten seconds and no longer.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := cache.For(time.Second, Stale(time.Hour))(versions("", func(http.ResponseWriter, *http.Request) { time.Sleep(time.Hour) }))
		get(t, h, "/")
		time.Sleep(10 * time.Second)
		get(t, h, "/")
		began := time.Now()
		for range 2 {
			if err := cache.Close(); !errors.Is(err, ErrClosing) || time.Since(began) != closeTimeout {
				t.Errorf("Close: %v after %v", err, time.Since(began))
			}
		}
		time.Sleep(time.Hour)
	})
}

// TestCloseDuringRequests: those that are under way get their answers, but no longer use the store.
func TestCloseDuringRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fragile)
		o := &origin{answer: slowly(says("hello"))}
		cache := newTestCache(t, Options{Store: f})
		h := cache.For(time.Minute)(o)
		clients := crowd(10, func(i int) { expect(t, get(t, h, "/"+strconv.Itoa(i/5)), http.StatusOK, "hello") })
		time.Sleep(slow / 2)
		if err := cache.Close(); err != nil {
			t.Error(err)
		}
		clients.Wait()
		synctest.Wait()
		if f.sets.Load() != 0 {
			t.Error("the store was used after Close")
		}
	})
}

// TestCloseLeavesTheClientAlone: it is not closed, and not used any more either; nor does a client that was closed too early do harm.
func TestCloseLeavesTheClientAlone(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	running, goOn := make(chan struct{}), make(chan struct{})
	o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(running)
			<-goOn
		}
		_, _ = io.WriteString(w, "hello")
	}}
	cache := newTestCache(t, Options{Redis: client})
	h := cache.For(time.Minute)(o)
	get(t, h, "/")
	clients := crowd(1, func(int) { get(t, h, "/slow") })
	<-running
	if err := cache.Close(); err != nil {
		t.Error(err)
	}
	used := server.Commands("get") + server.Commands("set") + server.Commands("evalsha")
	close(goOn)
	clients.Wait()
	get(t, h, "/")
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
	if n := server.Commands("get") + server.Commands("set") + server.Commands("evalsha"); n != used {
		t.Errorf("%d commands after Close", n-used)
	}
}

func TestClientClosedBeforeTheCache(t *testing.T) {
	client := redistest.Start(t).Client()
	cache := newTestCache(t, Options{Redis: client})
	h := cache.For(time.Minute)(&origin{answer: says("hello")})
	get(t, h, "/")
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		expect(t, get(t, h, "/"+strconv.Itoa(i)), http.StatusOK, "hello")
	}
}

// TestCloseWithoutRedis: a Redis that was never there keeps Close waiting no longer than one that is.
func TestCloseWithoutRedis(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	t.Cleanup(func() { _ = client.Close() }) // it has no connections
	for range 10 {
		cache := newTestCache(t, Options{Redis: client})
		if err := cache.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestDisabled: nothing of the cache is to be seen, and invalidations still go out.
func TestDisabled(t *testing.T) {
	cache := newTestCache(t, Options{Disabled: true})
	o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
		if _, wrapped := w.(*recorder); wrapped || !errors.Is(r.Context().Err(), context.Canceled) {
			t.Error("the handler does not have its client's own writer and context")
		}
	}}
	h := cache.For(time.Minute)(o)
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(ctx, "/"))
		expect(t, w, http.StatusOK, "", "X-Cache", "", "Cache-Status", "", "Cache-Control", "")
	}
	o.ran(t, 2)
	if err := cache.Invalidate(t.Context(), All()); err != nil || cache.Stats().Invalidations != 1 {
		t.Errorf("%v, %+v", err, cache.Stats())
	}
}
