package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
	"github.com/larderhq/larder/internal/store"
)

func TestLease(t *testing.T) {
	r := store.NewRedis(redistest.Start(t).Client())
	ctx := context.Background()
	acquire := func(token string, ttl time.Duration, want bool) {
		t.Helper()
		if got, err := r.Acquire(ctx, "k", token, ttl); err != nil || got != want {
			t.Fatalf("Acquire(%s) = %v, %v; want %v", token, got, err, want)
		}
	}
	release := func(token string) {
		t.Helper()
		if err := r.Release(ctx, "k", token); err != nil {
			t.Fatal(err)
		}
	}
	acquire("a", time.Minute, true)
	acquire("b", time.Minute, false)
	release("b") // not its holder
	acquire("b", time.Minute, false)
	release("a")
	acquire("b", 20*time.Millisecond, true)
	for range 500 { // a holder that dies costs at most the lease
		if ok, err := r.Acquire(ctx, "k", "c", time.Minute); err != nil || ok {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	acquire("d", time.Minute, false)
}
