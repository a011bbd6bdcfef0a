package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
	"github.com/larderhq/larder/internal/store"
)

func TestLease(t *testing.T) {
	server := redistest.Start(t)
	r := store.NewRedis(server.Client())
	ctx := context.Background()
	ask := func(f func(context.Context, string, string, time.Duration) (bool, error), token string, ttl time.Duration, want bool) {
		t.Helper()
		if got, err := f(ctx, "k", token, ttl); err != nil || got != want {
			t.Fatalf("asked for %s: %v, %v; want %v", token, got, err, want)
		}
	}
	release := func(token string, awaited bool) {
		t.Helper()
		if got, err := r.Release(ctx, "k", token); err != nil || got != awaited {
			t.Fatalf("Release(%s) = %v, %v; want %v", token, got, err, awaited)
		}
	}
	ask(r.Acquire, "a", time.Minute, true)
	ask(r.Acquire, "b", time.Minute, false)
	release("b", false) // not its holder
	ask(r.Contend, "a", time.Minute, true)
	release("a", false) // nobody waits who only asked
	ask(r.Acquire, "a", time.Minute, true)
	ask(r.Contend, "b", time.Hour, false)
	ask(r.Contend, "c", time.Hour, false)
	ask(r.Contend, "a", time.Hour, true)
	if ttl := server.Client().PTTL(ctx, "k~lease").Val(); ttl <= 0 || ttl > time.Minute {
		t.Errorf("who waits changed the time of the lease to %v", ttl)
	}
	release("b", false)
	release("a", true)
	release("a", false)
	ask(r.Contend, "b", 20*time.Millisecond, true)
	for range 500 { // a holder that dies costs at most the lease
		if ok, err := r.Contend(ctx, "k", "c", time.Minute); err != nil || ok {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	release("b", false)
	ask(r.Acquire, "d", time.Minute, false)
}

// A replica may lag behind: that it knows of no lease does not mean that there is none to give back, nor that it takes writes.
func TestLeaseOnReplica(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	if err := client.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.NewRedis(client).Release(t.Context(), "k", "a"); err == nil || !strings.Contains(err.Error(), "READONLY") {
		t.Errorf("a replica gave a lease back: %v", err)
	}
}

// What another program left in the place of a lease keeps nobody from running.
func TestForeignLease(t *testing.T) {
	client := redistest.Start(t).Client()
	r := store.NewRedis(client)
	ctx := context.Background()
	for name, put := range map[string]func(key string) error{
		"a value that never ends":   func(key string) error { return client.Set(ctx, key, "garbage", 0).Err() },
		"a lease that lost its end": func(key string) error { return client.Set(ctx, key, "another token+", 0).Err() },
		"a list":                    func(key string) error { return client.RPush(ctx, key, "garbage").Err() },
	} {
		if err := put(name + "~lease"); err != nil {
			t.Fatal(err)
		}
		if awaited, err := r.Release(ctx, name, "a"); err != nil || awaited {
			t.Errorf("%s: Release = %v, %v", name, awaited, err)
		}
		if ok, err := r.Contend(ctx, name, "a", time.Minute); err != nil || !ok {
			t.Errorf("%s: Contend = %v, %v", name, ok, err)
		}
		if ttl := client.PTTL(ctx, name+"~lease").Val(); ttl <= 0 || ttl > time.Minute {
			t.Errorf("%s: the lease lasts %v", name, ttl)
		}
	}
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
