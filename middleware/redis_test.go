package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
	larder "github.com/larderhq/larder/middleware"
	"github.com/larderhq/larder/middleware/storetest"
)

// A process that has just started hits at once on what others have stored.
func TestSecondProcessHitsAtOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	handler := new(counted)
	first := openCache(t, patient(server)).OneHour(larder.Name("x"))(handler)
	fill := ask(t, first, "/")
	await(t, "stored", func() bool { return server.Commands("set") == 1 })
	for range 5 {
		h := openCache(t, patient(server)).OneHour(larder.Name("x"))(handler)
		got := ask(t, h, "/")
		if !got.hit() || got.body != fill.body || got.header.Get("Etag") != fill.header.Get("Etag") {
			t.Fatalf("got %v", got)
		}
	}
}

// Variants, deleted fields, several lines: all survive the way through Redis.
func TestRedisKeepsTheWholeResponse(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	handler := &counted{answer: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Del("X-Outer")
		w.Header()["X-Two"] = []string{"a", "b, c"}
		w.Header().Add("Vary", "Accept-Language")
		w.Header().Set("Cache-Control", "public")
		write(w, "in "+r.Header.Get("Accept-Language"))
	}}
	process := func() http.Handler {
		cache := openCache(t, patient(server))
		return outside(cache.OneHour()(handler), func(h http.Header) { h.Set("X-Outer", "1"); h.Set("Vary", "Origin") })
	}
	one := process()
	for i, language := range []string{"fr", "de"} {
		ask(t, one, "/", "Accept-Language: "+language)
		await(t, "stored", func() bool { return server.Commands("set") == 2*(i+1) }) // with the index of variants
		got := ask(t, process(), "/", "Accept-Language: "+language)
		expectFields(t, got, "X-Cache: Hit", "X-Outer:", "X-Two: a | b, c", "Vary: Origin | Accept-Language")
		if got.body != "in "+language {
			t.Errorf("%s: got %s", language, got.body)
		}
	}
	if got := ask(t, process(), "/", "Accept-Language: it"); got.hit() || got.body != "in it" {
		t.Errorf("it: got %v", got)
	}
}

func TestOneGETForAHit(t *testing.T) {
	for _, tt := range []struct {
		name    string
		handler *counted
	}{
		{"plain", new(counted)},
		{"varying", answering(200, "x", "Vary: Accept")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := redistest.Start(t)
			o := patient(server)
			o.MemoryBytes = -1
			h := openCache(t, o).OneHour()(tt.handler)
			ask(t, h, "/")
			for before := server.Commands("get"); server.Commands("get") == before; {
				ask(t, h, "/") // which hits on what is on its way to Redis, while it is
			}
			gets, sets := server.Commands("get"), server.Commands("set")
			for range 10 {
				if got := ask(t, h, "/"); !got.hit() {
					t.Fatalf("got %v", got)
				}
			}
			if n := server.Commands("get") - gets; n != 10 {
				t.Errorf("%d GETs for 10 hits", n)
			}
			if n := server.Commands("set") - sets; n != 0 {
				t.Errorf("%d SETs for 10 hits", n)
			}
		})
	}
}

func TestExpiryInRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	cache := openCache(t, larder.Options{Redis: client, StoreTimeout: 10 * time.Second})
	for path, tt := range map[string]struct {
		h    http.Handler
		want time.Duration
	}{
		"/lifetime":  {cache.OneMinute()(new(counted)), time.Minute},
		"/stale":     {cache.OneMinute(larder.Stale(time.Hour))(new(counted)), time.Hour + time.Minute},
		"/validator": {cache.OneMinute()(answering(200, "x", `ETag: "v1"`)), time.Hour + time.Minute},
		"/own":       {cache.OneHour()(answering(200, "x", "Cache-Control: max-age=60, must-revalidate")), time.Minute},
	} {
		ask(t, tt.h, path)
		var left time.Duration
		await(t, path, func() bool {
			left = client.PTTL(t.Context(), "larder:shop.example"+path+"()").Val()
			return left > 0
		})
		if left > tt.want || left < tt.want-30*time.Second {
			t.Errorf("%s: kept for %v, want %v", path, left, tt.want)
		}
	}
}

// await polls what happens behind a response; only if it never happens the test fails.
func await(t *testing.T, what string, f func() bool) {
	t.Helper()
	for range 6000 {
		if f() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s: never", what)
}

func TestGarbageInRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	const key = "larder:shop.example/a()"
	process := func() http.Handler {
		return openCache(t, patient(server)).OneHour()(new(counted))
	}
	h := process()
	ask(t, h, "/a")
	ask(t, h, "/b")
	await(t, "stored", func() bool { return client.Exists(t.Context(), key, "larder:shop.example/b()").Val() == 2 })
	good, err := client.Get(t.Context(), key).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	other, err := client.Get(t.Context(), "larder:shop.example/b()").Bytes()
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, garbage := range map[string][]byte{
		"text": []byte("hello"), "empty": {}, "cut off": good[:len(good)-1], "flipped": flipped, "of another key": other,
		"of another version": slices.Concat([]byte{good[0] ^ 0xff}, good[1:]),
	} {
		client.Set(t.Context(), key, garbage, 0)
		got := ask(t, process(), "/a")
		if got.hit() || got.status != 200 || got.body != "run 1" {
			t.Errorf("%s: got %v", name, got)
		}
		await(t, name+" overwritten", func() bool {
			now, err := client.Get(t.Context(), key).Bytes()
			return err == nil && !bytes.Equal(now, garbage)
		})
		if got := ask(t, process(), "/a"); !got.hit() {
			t.Errorf("%s: not overwritten: %v", name, got)
		}
	}
	client.Del(t.Context(), key)
	client.HSet(t.Context(), key, "field", "value")
	if got := ask(t, process(), "/a"); got.hit() || got.status != 200 {
		t.Errorf("of another type: got %v", got)
	}
}

// TestRedisDiesUnderLoad kills the server while clients ask, and starts it again: no request fails, hits come back by themselves,
// and the log tells the author each once.
func TestRedisDiesUnderLoad(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var log journal
	important := slog.New(slog.NewTextHandler(&log, nil))
	// A busy machine must not pass for a lost Redis; a killed one refuses at once.
	cache := openCache(t, larder.Options{Redis: server.Client(), MemoryBytes: -1, Logger: important, StoreTimeout: patience})
	h := cache.OneHour()(answering(200, "hello"))
	var stop atomic.Bool
	var served, hits atomic.Int64
	var crowd sync.WaitGroup
	for client := range 4 {
		crowd.Go(func() {
			for i := 0; !stop.Load(); i++ {
				got := ask(t, h, fmt.Sprintf("/%d/%d", client, i%5))
				if got.status != 200 || got.body != "hello" {
					t.Errorf("got %v", got)
				}
				served.Add(1)
				if got.hit() {
					hits.Add(1)
				}
			}
		})
	}
	more := func(what string, n *atomic.Int64) {
		before := n.Load()
		await(t, what, func() bool { return n.Load() > before+20 })
	}
	more("hits", &hits)
	server.Kill()
	await(t, "loss noticed", func() bool { return log.count("store lost") > 0 })
	more("answers without Redis", &served)
	server.Restart()
	await(t, "return noticed", func() bool { return log.count("store is back") > 0 })
	more("hits again", &hits)
	stop.Store(true)
	crowd.Wait()
	if lost, back := log.count("level=WARN", "store lost"), log.count("level=INFO", "store is back"); lost != 1 || back != 1 {
		t.Errorf("lost %d times, back %d times:\n%s", lost, back, log.String())
	}
	await(t, "the log followed again", func() bool { return log.count("out of reach") == log.count("followed again") })
	if n := log.count("out of reach"); n > 1 {
		t.Errorf("log out of reach %d times:\n%s", n, log.String())
	}
}

func TestRedisSilentUnderLoad(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	cache := openCache(t, larder.Options{Redis: server.Client(), MemoryBytes: -1, StoreTimeout: 20 * time.Millisecond})
	h := cache.OneHour()(answering(200, "hello"))
	ask(t, h, "/")
	server.Pause()
	for i := range 20 {
		if got := ask(t, h, fmt.Sprintf("/%d", i%3)); got.status != 200 || got.body != "hello" {
			t.Errorf("got %v", got)
		}
	}
	server.Resume()
	await(t, "hits again", func() bool { return ask(t, h, "/").hit() })
}

func TestRedisStartsLater(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill()
	h := openCache(t, larder.Options{Redis: server.Client(), MemoryBytes: -1}).OneHour()(answering(200, "hello"))
	for range 5 {
		if got := ask(t, h, "/"); got.status != 200 {
			t.Errorf("got %v", got)
		}
	}
	server.Restart()
	await(t, "hits", func() bool { return ask(t, h, "/").hit() })
}

// broken is a store whose calls fail or hang.
type broken struct {
	storetest.Map
	err  error
	hang bool
}

func (b *broken) do(ctx context.Context) error {
	if b.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return b.err
}

func (b *broken) Get(ctx context.Context, _ string) ([]byte, error) { return nil, b.do(ctx) }

func (b *broken) Set(ctx context.Context, _ string, _ []byte, _ time.Duration) error {
	return b.do(ctx)
}

func (b *broken) Delete(ctx context.Context, _ ...string) error { return b.do(ctx) }

func TestStoreOfOnesOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var store storetest.Map
		handler := new(counted)
		one := openCache(t, larder.Options{Store: &store, MemoryBytes: -1})
		h := one.OneHour()(handler)
		ask(t, h, "/")
		if got := ask(t, h, "/"); !got.hit() {
			t.Errorf("got %v", got)
		}
		time.Sleep(time.Hour)
		if got := ask(t, h, "/"); got.hit() || got.body != "run 2" {
			t.Errorf("after its lifetime: got %v", got)
		}
		// Another life of the process does not know what was invalidated in between.
		again := openCache(t, larder.Options{Store: &store}).OneHour()(handler)
		if got := ask(t, again, "/"); got.hit() {
			t.Errorf("in another life: got %v", got)
		}
	})
}

func TestStoreOfOnesOwnFails(t *testing.T) {
	for name, store := range map[string]*broken{
		"errors": {err: errors.New("disk full")}, "hangs": {hang: true}, "misses": {err: fmt.Errorf("wrapped: %w", larder.ErrMiss)},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log journal
				cache := openCache(t, larder.Options{Store: store, MemoryBytes: -1, Logger: log.logger()})
				h := cache.OneHour()(answering(200, "hello"))
				for i := range 50 {
					if got := ask(t, h, fmt.Sprintf("/%d", i%3)); got.status != 200 || got.body != "hello" {
						t.Errorf("got %v", got)
					}
				}
				if n := log.count("level=WARN"); name != "misses" && n != 1 || name == "misses" && n != 0 {
					t.Errorf("%d warnings:\n%s", n, log.String())
				}
			})
		})
	}
}

// Events say what happens to keys, at level debug but for what an operator must know.
func TestEvents(t *testing.T) {
	var log journal
	h := openCache(t, larder.Options{Logger: log.logger()}).OneHour(larder.Name("route"))(answering(200, "the body"))
	ask(t, h, "/?q=1")
	ask(t, h, "/?q=1")
	ask(t, h, "/?q=1", "If-Match: *")
	private := openCache(t, larder.Options{Logger: log.logger()}).OneHour(larder.Name("private"))(answering(200, "x", "Cache-Control: private"))
	ask(t, private, "/")
	for _, words := range [][]string{
		{"level=DEBUG", "key stored", `key="larder:route(host=shop.example,path=/,q=1)"`},
		{"level=DEBUG", "key found", `key="larder:route(host=shop.example,path=/,q=1)"`},
		{"level=DEBUG", "not stored", "route=private", "why=private"},
		{"level=DEBUG", "passed by", "route=route", "why=precondition"},
	} {
		if n := log.count(words...); n != 1 {
			t.Errorf("%d lines with %q in\n%s", n, words, log.String())
		}
	}
	if strings.Contains(log.String(), "the body") {
		t.Error("the log tells values")
	}
}
