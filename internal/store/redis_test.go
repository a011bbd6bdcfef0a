package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/larderhq/larder/internal/redistest"
	"github.com/larderhq/larder/internal/store"
)

// limit is longer than a loaded machine takes to answer and shorter than go-redis waits for a silent connection.
const limit = 500 * time.Millisecond

func TestRedisTraffic(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	s := store.WithTimeout(store.NewRedis(srv.Client()), time.Minute)
	ctx := t.Context()
	must(t, s.Set(ctx, "k", []byte("v"), time.Minute))
	must(t, s.Set(ctx, "gone", []byte("v"), time.Millisecond-1))
	for range 3 {
		if b, err := s.Get(ctx, "k"); string(b) != "v" {
			t.Fatal(b, err)
		}
	}
	if _, err := s.Get(ctx, "gone"); !errors.Is(err, store.ErrMiss) {
		t.Errorf("a lifetime below a millisecond: %v", err)
	}
	must(t, s.Delete(ctx, "k", "l", "m"))
	must(t, s.Delete(ctx))
	for name, want := range map[string]int{"get": 4, "set": 1, "unlink": 3, "del": 0, "mget": 0, "expire": 0} {
		if got := srv.Commands(name); got != want {
			t.Errorf("%d times %s, want %d", got, strings.ToUpper(name), want)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRedisKeepsTheLifetime(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	must(t, store.NewRedis(client).Set(t.Context(), "k", nil, 90*time.Minute+time.Millisecond))
	ttl, err := client.PTTL(t.Context(), "k").Result()
	if err != nil || ttl > 90*time.Minute+time.Millisecond || ttl < 80*time.Minute {
		t.Errorf("lifetime is %v, %v", ttl, err)
	}
}

func TestRedisErrors(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config("maxmemory", "1"), redistest.Config("maxmemory-policy", "noeviction"))
	client := srv.ClientWith(redis.Options{MaxRetries: -1, DialerRetries: 1})
	s := store.WithTimeout(store.NewRedis(client), time.Minute)
	if err := s.Set(t.Context(), "k", []byte("v"), time.Minute); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("Set into a full Redis: %v", err)
	}
	srv.Config("maxmemory", "0")
	must(t, client.LPush(t.Context(), "list", "x").Err())
	if _, err := s.Get(t.Context(), "list"); !errors.Is(err, store.ErrForeign) {
		t.Errorf("Get of a list: %v", err)
	}
	srv.Kill()
	for what, err := range calls(t.Context(), s) {
		if err == nil || errors.Is(err, store.ErrMiss) {
			t.Errorf("%s without a server: %v", what, err)
		}
	}
}

func calls(ctx context.Context, s store.Bytes) map[string]error {
	_, get := s.Get(ctx, "any")
	return map[string]error{
		"Get": get, "Set": s.Set(ctx, "any", []byte("v"), time.Minute), "Delete": s.Delete(ctx, "any", "other"),
	}
}

// clients are the ways to reach one server: with those that ignore contexts a goroutine stays behind in the client.
func clients(t *testing.T, srv *redistest.Server) map[string]redis.UniversalClient {
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"one": srv.Addr()}})
	t.Cleanup(func() { _ = ring.Close() })
	return map[string]redis.UniversalClient{
		"client": srv.Client(), "ring": ring,
		"client with contexts":             srv.ClientWith(redis.Options{ContextTimeoutEnabled: true}),
		"client with contexts, no retries": srv.ClientWith(redis.Options{ContextTimeoutEnabled: true, MaxRetries: -1}),
	}
}

// What is said to the connection is said to every command that was to go over it, one or many.
func TestRedisRefusesTheConnection(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	srv.Config("requirepass", "right")
	for name, o := range map[string]redis.Options{"wrong password": {Password: "wrong"}, "no such database": {DB: 99, Password: "right"}} {
		s := store.NewRedis(srv.ClientWith(o))
		item := store.Item{Key: "k", Value: []byte("v"), TTL: time.Minute}
		if err := s.SetAll(t.Context(), []store.Item{item}); err == nil {
			t.Errorf("%s: stored", name)
		}
		if err := s.SetAll(t.Context(), []store.Item{item, item}); err == nil {
			t.Errorf("%s: stored, in one batch", name)
		}
		if err := s.Delete(t.Context(), "k", "l"); err == nil {
			t.Errorf("%s: deleted", name)
		}
	}
}

func TestRedisSilent(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	for name, client := range clients(t, srv) {
		t.Run(name, func(t *testing.T) {
			s := store.WithTimeout(store.NewRedis(client), limit)
			must(t, s.Set(t.Context(), "k", []byte("v"), time.Minute))
			srv.Pause()
			for what, err := range calls(t.Context(), s) {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v", what, err)
				}
			}
			srv.Resume()
			awaitValue(t, s, "k", "v")
		})
	}
}

// awaitValue asks until the store has recovered: what was queued while the server was silent comes first.
func awaitValue(t *testing.T, s store.Bytes, key, want string) {
	t.Helper()
	for {
		b, err := s.Get(t.Context(), key)
		if err == nil && string(b) == want {
			return
		}
		if err == nil || errors.Is(err, store.ErrMiss) || t.Context().Err() != nil {
			t.Fatalf("%q, %v", b, err)
		}
	}
}

func TestRedisCallersKeepTheirOwnContexts(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	for name, client := range clients(t, srv) {
		t.Run(name, func(t *testing.T) {
			s := store.WithTimeout(store.NewRedis(client), time.Minute)
			must(t, s.Set(t.Context(), "k", []byte("v"), time.Minute))
			srv.Pause()
			var short, patient sync.WaitGroup
			for range 8 {
				short.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
					defer cancel()
					if _, err := s.Get(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("a short caller: %v", err)
					}
				})
			}
			short.Wait() // while the server is silent
			for range 8 {
				patient.Go(func() { awaitValue(t, s, "k", "v") })
			}
			srv.Resume()
			patient.Wait()
		})
	}
}

func TestRedisManyKeysManyCallers(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	for name, client := range clients(t, srv) {
		t.Run(name, func(t *testing.T) {
			s := store.WithTimeout(store.NewRedis(client), time.Minute)
			var wg sync.WaitGroup
			for w := range 64 {
				wg.Go(func() { readOwnWrites(t, s, w) })
			}
			wg.Wait()
		})
	}
}

// readOwnWrites checks that nobody reads what is older than its own call, nor what belongs to another key.
func readOwnWrites(t *testing.T, s store.Bytes, worker int) {
	for i := range 40 {
		key := fmt.Sprintf("worker:%d:%d", worker, i%3)
		value := fmt.Sprintf("%s=%d%s", key, i, strings.Repeat(".", i*40))
		if err := s.Set(t.Context(), key, []byte(value), time.Minute); err != nil {
			t.Error(err)
			return
		}
		if b, err := s.Get(t.Context(), key); err != nil || string(b) != value {
			t.Errorf("under %s is %.60q, %v", key, b, err)
			return
		}
		if _, err := s.Get(t.Context(), "absent:"+key); !errors.Is(err, store.ErrMiss) {
			t.Errorf("absent: %v", err)
			return
		}
	}
}

// TestRedisGarbage talks to something that is no Redis, and to one whose length makes the client panic.
func TestRedisGarbage(t *testing.T) {
	for name, reply := range map[string]string{
		"HTTP": "HTTP/1.1 400 Bad Request\r\n\r\n", "a length beyond memory": "$9223372036854775000\r\n", "half an answer": "$5\r\nab",
	} {
		t.Run(name, func(t *testing.T) {
			addr := speak(t, reply)
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			client := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, DisableIdentity: true, MaxRetries: -1})
			defer func() { _ = client.Close() }()
			for _, s := range []store.Bytes{store.NewRedis(client), store.WithTimeout(store.NewRedis(client), limit)} {
				if b, err := s.Get(t.Context(), "k"); err == nil || errors.Is(err, store.ErrMiss) {
					t.Errorf("%q, %v", b, err)
				}
			}
		})
	}
}

// speak answers whatever it is told with reply and hangs up.
func speak(t *testing.T, reply string) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1<<10))
			_, _ = c.Write([]byte(reply))
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// TestRedisValuesAreTheirOwn: memory is used again only when all who read it have released it, and not at all if one keeps it. What
// is made of a value goes with it.
func TestRedisValuesAreTheirOwn(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	for name, client := range clients(t, srv) {
		t.Run(name, func(t *testing.T) {
			s := store.NewRedis(client)
			for i := range 5 {
				must(t, s.Set(t.Context(), fmt.Sprint(i), bytes.Repeat([]byte{byte('a' + i)}, 100<<(3*i)), time.Minute))
			}
			var wg sync.WaitGroup
			for worker := range 32 {
				wg.Go(func() {
					kept := make([][]byte, 5)
					for n := range 100 {
						i := (worker + n) % 5
						v, err := s.Read(t.Context(), fmt.Sprint(i))
						shared, errShared := s.Get(t.Context(), fmt.Sprint(i))
						if err != nil || errShared != nil {
							t.Error(err, errShared)
							return
						}
						expectAll(t, v.Bytes, i)
						expectAll(t, shared, i)
						if made := v.Shared(); made != nil && made != i {
							t.Errorf("value %d shares what was made of %v", i, made)
						}
						v.Share(i)
						switch {
						case kept[i] == nil:
							kept[i] = v.Own()
						case n%7 != 0:
							v.Release()
						}
					}
					for i, b := range kept {
						expectAll(t, b, i)
					}
				})
			}
			wg.Wait()
		})
	}
}

// expectAll checks that b is the i-th value.
func expectAll(t *testing.T, b []byte, i int) {
	if len(b) != 100<<(3*i) || bytes.Count(b, []byte{byte('a' + i)}) != len(b) {
		t.Errorf("value %d is %d times %.10q", i, len(b), b)
	}
}

func TestRedisReadAllocatesLittle(t *testing.T) {
	for name, client := range clients(t, redistest.Start(t)) {
		if name == "ring" {
			continue // hands each call to another goroutine
		}
		r, ok := store.WithTimeout(store.NewRedis(client), time.Minute).(*store.Redis)
		if !ok {
			t.Fatal("no Redis")
		}
		must(t, r.Set(t.Context(), "k", make([]byte, 64<<10), time.Minute))
		n := testing.AllocsPerRun(1000, func() {
			v, _ := r.Read(t.Context(), "k") // the count is only right if it succeeds
			v.Release()
		})
		if n > 4 { // three for the client's check of the connection, one for its limit of the value
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestRedisKey(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 60)
	for _, key := range []string{"", "larder:shop.example/a b?c", long[:512]} {
		if got := store.RedisKey(key); got != key {
			t.Errorf("RedisKey(%q) = %q", key, got)
		}
	}
	seen := map[string]bool{}
	for _, key := range []string{long[:513], long, long[:599] + "x", strings.Repeat("é", 300), "x" + strings.Repeat("é", 300), strings.Repeat("\x80", 600)} {
		got := store.RedisKey(key)
		kept, digest, _ := strings.Cut(got, "~")
		if len(got) > 512 || len(digest) != 32 || len(kept) < 397 || !strings.HasPrefix(key, kept) || seen[got] {
			t.Errorf("RedisKey(%q) = %q", key, got)
		}
		if strings.ToValidUTF8(key, "") == key && strings.ToValidUTF8(kept, "") != kept {
			t.Errorf("RedisKey(%q) cuts a character: %q", key, got)
		}
		seen[got] = true
	}
}

// TestRefusalsKeepTheirWords: what a server says of a GET that it refuses is what the log tells.
func TestRefusalsKeepTheirWords(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	srv.Config("replica-serve-stale-data", "no")
	must(t, srv.Client().ReplicaOf(t.Context(), "127.0.0.1", "1").Err())
	s := store.WithTimeout(store.NewRedis(srv.Client()), time.Minute)
	if _, err := s.Get(t.Context(), "k"); err == nil || !strings.HasPrefix(err.Error(), "store: redis get: MASTERDOWN ") {
		t.Errorf("got %v", err)
	}
}
