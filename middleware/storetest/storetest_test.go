package storetest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larderhq/larder/internal/redistest"
	"github.com/larderhq/larder/internal/store"
	larder "github.com/larderhq/larder/middleware"
	"github.com/larderhq/larder/middleware/storetest"
)

func TestMap(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) larder.Store { return new(storetest.Map) })
}

func TestMapWithTimeout(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) larder.Store { return store.WithTimeout(new(storetest.Map), time.Minute) })
}

func TestRedis(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	for name, client := range map[string]redis.UniversalClient{
		"client":               srv.Client(),
		"client with contexts": srv.ClientWith(redis.Options{ContextTimeoutEnabled: true}),
		"RESP2":                srv.ClientWith(redis.Options{Protocol: 2}),
	} {
		t.Run(name, func(t *testing.T) { runRedis(t, client) })
	}
}

func TestRedisRing(t *testing.T) {
	t.Parallel()
	ring := redis.NewRing(&redis.RingOptions{
		Addrs: map[string]string{"a": redistest.Start(t).Addr(), "b": redistest.Start(t).Addr()},
	})
	t.Cleanup(func() { _ = ring.Close() })
	runRedis(t, ring)
}

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	runRedis(t, redistest.StartCluster(t).Client())
}

func TestRedisSentinel(t *testing.T) {
	t.Parallel()
	runRedis(t, redistest.StartSentinel(t).Client())
}

func runRedis(t *testing.T, client redis.UniversalClient) {
	t.Helper()
	storetest.Run(t, func(*testing.T) larder.Store { return store.NewRedis(client) })
	storetest.Run(t, func(*testing.T) larder.Store { return store.WithTimeout(store.NewRedis(client), time.Minute) })
}

// broken names ways to break the contract, each with the clause that must notice.
var broken = []struct {
	name   string
	clause string
	store  func(inner larder.Store) larder.Store
}{
	{"cuts values", "a value comes back", func(s larder.Store) larder.Store {
		return &altered{Store: s, get: func(b []byte, err error) ([]byte, error) { return b[:len(b)/2], err }}
	}},
	{"reports a miss its own way", "an absent key", func(s larder.Store) larder.Store {
		return &altered{Store: s, get: func(b []byte, err error) ([]byte, error) {
			if err != nil {
				return nil, errors.New("not found")
			}
			return b, nil
		}}
	}},
	{"keeps the first value", "Set replaces", func(s larder.Store) larder.Store { return &keepsFirst{Store: s} }},
	{"ignores lifetimes", "a value expires", func(s larder.Store) larder.Store {
		return &altered{Store: s, ttl: func(time.Duration) time.Duration { return time.Hour }}
	}},
	{"keeps the first lifetime", "a new lifetime", func(s larder.Store) larder.Store { return &firstLifetime{Store: s} }},
	{"deletes one key only", "Delete forgets", func(s larder.Store) larder.Store { return &deletesOne{s} }},
	{"folds case", "any text", func(s larder.Store) larder.Store { return &altered{Store: s, key: strings.ToLower} }},
	{"cuts keys", "any text", func(s larder.Store) larder.Store {
		return &altered{Store: s, key: func(k string) string { return k[:min(len(k), 1000)] }}
	}},
	{"reuses its buffer", "never changed", func(s larder.Store) larder.Store { return &reuses{Store: s} }},
	{"mixes keys up", "concurrent", func(s larder.Store) larder.Store {
		return &altered{Store: s, get: func(b []byte, err error) ([]byte, error) {
			return append([]byte("?"), b...), err
		}}
	}},
	{"hangs", "cancelled", func(s larder.Store) larder.Store { return &hangs{s} }},
}

// TestBrokenStoresFail runs TestBroken for each in a process of its own, as a failing subtest fails its parent.
func TestBrokenStoresFail(t *testing.T) {
	t.Parallel()
	for _, b := range broken {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			only := "^TestBroken$/" + strings.ReplaceAll(b.clause, " ", "_")
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+only, "-test.v")
			cmd.Env = append(os.Environ(), brokenEnv+"="+b.name)
			out, err := cmd.CombinedOutput()
			if err == nil || !bytes.Contains(out, []byte("    --- FAIL: TestBroken/")) {
				t.Errorf("the clause %q did not notice a store that %s: %v\n%s", b.clause, b.name, err, out)
			}
		})
	}
}

const brokenEnv = "LARDER_STORETEST_BROKEN"

func TestBroken(t *testing.T) {
	for _, b := range broken {
		if b.name == os.Getenv(brokenEnv) { // only the other process has something to do
			storetest.Run(t, func(*testing.T) larder.Store { return b.store(new(storetest.Map)) })
		}
	}
}

// altered changes what goes into a store or comes out of it.
type altered struct {
	larder.Store
	key func(string) string
	ttl func(time.Duration) time.Duration
	get func([]byte, error) ([]byte, error)
}

func (a *altered) Get(ctx context.Context, key string) ([]byte, error) {
	if a.key != nil {
		key = a.key(key)
	}
	b, err := a.Store.Get(ctx, key)
	if a.get != nil {
		return a.get(b, err)
	}
	return b, err
}

func (a *altered) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if a.key != nil {
		key = a.key(key)
	}
	if a.ttl != nil {
		ttl = a.ttl(ttl)
	}
	return a.Store.Set(ctx, key, value, ttl)
}

type keepsFirst struct{ larder.Store }

func (k *keepsFirst) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if _, err := k.Get(ctx, key); err == nil {
		return nil
	}
	return k.Store.Set(ctx, key, value, ttl)
}

type firstLifetime struct {
	larder.Store
	ttls sync.Map
}

func (f *firstLifetime) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	first, _ := f.ttls.LoadOrStore(key, ttl)
	return f.Store.Set(ctx, key, value, first.(time.Duration))
}

type deletesOne struct{ larder.Store }

func (d *deletesOne) Delete(ctx context.Context, keys ...string) error {
	return d.Store.Delete(ctx, keys[:min(len(keys), 1)]...)
}

type reuses struct {
	larder.Store
	buf [64]byte
}

func (r *reuses) Get(ctx context.Context, key string) ([]byte, error) {
	b, err := r.Store.Get(ctx, key)
	return r.buf[:copy(r.buf[:], b)], err
}

func (r *reuses) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	copy(r.buf[:], value)
	return r.Store.Set(ctx, key, value, ttl)
}

type hangs struct{ larder.Store }

func (h *hangs) Get(context.Context, string) ([]byte, error) { select {} }
