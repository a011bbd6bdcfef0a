package store_test

import (
	"context"
	"errors"
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

func TestSetAll(t *testing.T) {
	server := redistest.Start(t)
	r := store.NewRedis(server.Client())
	ctx := context.Background()
	items := []store.Item{
		{Key: "a", Value: []byte("1"), TTL: time.Minute},
		{Key: "none", Value: []byte("x"), TTL: time.Microsecond},
		{Key: "b", Value: []byte("2"), TTL: time.Hour},
	}
	if err := r.SetAll(ctx, items); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"a": "1", "b": "2"} {
		if got, err := r.Get(ctx, key); err != nil || string(got) != want {
			t.Errorf("Get(%s) = %q, %v; want %q", key, got, err, want)
		}
	}
	if _, err := r.Get(ctx, "none"); !errors.Is(err, store.ErrMiss) {
		t.Errorf("what lives for less than a millisecond is stored: %v", err)
	}
	if ttl := server.Client().PTTL(ctx, "b").Val(); ttl <= time.Minute || ttl > time.Hour {
		t.Errorf("TTL %v", ttl)
	}
}
