package soak

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	larder "github.com/larderhq/larder/middleware"
)

// TestExpiry: responses expire again and again under load, with a slow handler behind them. With Stale, no request waits for it.
func TestExpiry(t *testing.T) {
	beside(t)
	var running atomic.Bool
	var runs atomic.Int64
	cache := newCache(t, larder.Options{})
	server := serve(t, cache.For(time.Second, larder.Stale(time.Minute))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		running.Store(true)
		defer running.Store(false)
		runs.Add(1)
		time.Sleep(slowRun)
		fmt.Fprint(w, "page")
	})))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	t.Cleanup(client.CloseIdleConnections)
	ask := func() (hit bool) {
		q, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			t.Error(err)
			return
		}
		w, err := client.Do(q)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = w.Body.Close() }() // it is read to its end
		if b, err := io.ReadAll(w.Body); err != nil || string(b) != "page" {
			t.Errorf("got %q, %v", b, err)
		}
		return w.Header.Get("X-Cache") == "Hit"
	}
	ask() // fills
	var fresh, refreshing times
	var waited atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(either(30*time.Second, 3*time.Second))
	for range 4 {
		wg.Go(func() {
			for time.Now().Before(end) {
				before, sent := running.Load(), time.Now()
				if !ask() {
					waited.Add(1)
				}
				took := time.Since(sent)
				if before || running.Load() {
					refreshing.add(took)
				} else {
					fresh.add(took)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	wg.Wait()
	t.Logf("%d runs; %d requests during runs: p50 %v, p99 %v; %d others: p50 %v, p99 %v", runs.Load(),
		refreshing.count(), refreshing.quantile(0.5), refreshing.quantile(0.99), fresh.count(), fresh.quantile(0.5), fresh.quantile(0.99))
	if n := waited.Load(); n != 0 || refreshing.count() == 0 {
		t.Errorf("%d requests waited, %d were served during runs", n, refreshing.count())
	}
}
