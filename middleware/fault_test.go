package middleware

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/larderhq/larder/internal/redistest"
)

// faulty is a cache on a real Redis behind a proxy that can do it harm.
type faulty struct {
	t      *testing.T
	server *redistest.Server
	admin  *redis.Conn // one connection past the proxy
	proxy  *toxiproxy.Proxy
	cache  *Cache
	origin *origin
	h      http.Handler
	log    *records
}

// newFaulty returns a cache without memory, so that each request asks Redis.
func newFaulty(t *testing.T) *faulty {
	f := &faulty{t: t, log: new(records)}
	f.server = redistest.Start(t, redistest.Config("enable-debug-command", "yes"))
	f.admin = f.server.Client().Conn()
	t.Cleanup(func() { _ = f.admin.Close() }) // its server may be gone
	f.proxy = toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "redis", "127.0.0.1:0", f.server.Addr())
	if err := f.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.proxy.Stop)
	client := redis.NewClient(&redis.Options{Addr: f.proxy.Listen})
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	f.cache = newTestCache(t, Options{Redis: client, MemoryBytes: -1, Logger: slog.New(f.log)})
	f.origin = &origin{answer: func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }}
	f.h = f.cache.For(time.Hour)(f.origin)
	return f
}

// do is a command of the administrator's.
func (f *faulty) do(args ...any) {
	f.t.Helper()
	if err := f.admin.Do(context.Background(), args...).Err(); err != nil {
		f.t.Fatalf("%v: %v", args, err)
	}
}

func (f *faulty) poison(toxic string) func() {
	return func() {
		if _, err := f.proxy.Toxics.AddToxicJson(strings.NewReader(`{"name":"toxic",` + toxic + `}`)); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *faulty) cure() {
	if err := f.proxy.Toxics.RemoveToxic(context.Background(), "toxic"); err != nil {
		f.t.Fatal(err)
	}
}

const faultyKeys = 10

// ask has one client get a page, which must be the right one whatever Redis does.
func (f *faulty) ask(n int) (hit bool) {
	path := "/" + strconv.Itoa(n%faultyKeys)
	w := get(f.t, f.h, path)
	if w.Code != http.StatusOK || w.Body.String() != path {
		f.t.Errorf("%s: got %d %q", path, w.Code, w.Body)
	}
	return w.Header().Get("X-Cache") == "Hit"
}

// load keeps a few clients asking until the function that it returns is called, which says how many requests there were.
func (f *faulty) load() (stop func() int64) {
	var done atomic.Bool
	var requests atomic.Int64
	clients := crowd(4, func(n int) {
		for ; !done.Load(); n++ {
			f.ask(n)
			requests.Add(1)
			time.Sleep(2 * time.Millisecond)
		}
	})
	return func() int64 {
		done.Store(true)
		clients.Wait()
		return requests.Load()
	}
}

// allHit waits until every page comes from Redis.
func (f *faulty) allHit(when string) {
	f.t.Helper()
	eventually(f.t, "hits "+when, func() bool {
		hits := 0
		for n := range faultyKeys {
			if f.ask(n) {
				hits++
			}
		}
		return hits == faultyKeys
	})
}

// TestRedisFaults does all kinds of harm to a Redis under load. No request fails or gets anything but its page; the faulty store
// is left alone soon, but for a probe now and then; the log has a line for the loss and a line for the return; and hits come back by
// themselves.
func TestRedisFaults(t *testing.T) {
	cases := map[string]func(*faulty) (harm, heal func()){
		"down":   func(f *faulty) (func(), func()) { return f.server.Kill, f.server.Restart },
		"paused": func(f *faulty) (func(), func()) { return f.server.Pause, f.server.Resume },
		"slow": func(f *faulty) (func(), func()) {
			return f.poison(`"type":"latency","attributes":{"latency":500}`), f.cure
		},
		"black hole": func(f *faulty) (func(), func()) {
			return f.poison(`"type":"timeout","attributes":{"timeout":0}`), f.cure
		},
		"half-written replies": func(f *faulty) (func(), func()) {
			return f.poison(`"type":"limit_data","attributes":{"bytes":3}`), f.cure
		},
		"byte by byte": func(f *faulty) (func(), func()) {
			return f.poison(`"type":"slicer","attributes":{"average_size":1,"delay":20000}`), f.cure
		},
		"connections reset": func(f *faulty) (func(), func()) {
			return f.poison(`"type":"reset_peer","attributes":{"timeout":0}`), f.cure
		},
		"out of memory": func(f *faulty) (func(), func()) {
			return func() { f.do("CONFIG", "SET", "maxmemory", "1kb"); f.do("FLUSHALL") }, func() { f.do("CONFIG", "SET", "maxmemory", "0") }
		},
		"read-only": func(f *faulty) (func(), func()) {
			return func() { f.do("FLUSHALL"); f.do("REPLICAOF", "127.0.0.1", "1") }, func() { f.do("REPLICAOF", "NO", "ONE") }
		},
		"no password": func(f *faulty) (func(), func()) {
			return func() {
					f.do("CONFIG", "SET", "requirepass", "secret")
					f.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
				},
				func() { f.do("CONFIG", "SET", "requirepass", "") }
		},
		"loading": loading,
	}
	for name, fault := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			f.allHit("at first")
			harm, heal := fault(f)
			before := f.cache.Stats()
			stop := f.load()
			harm()
			eventually(t, "the store is lost", func() bool { return len(f.log.matching("store lost")) > 0 })
			time.Sleep(time.Second)
			now := f.cache.Stats()
			heal()
			f.allHit("after it healed")
			requests := stop()
			if calls := now.StoreErrors - before.StoreErrors; calls == 0 || calls > 40 || requests < 5*calls {
				t.Errorf("%d calls failed in %d requests", calls, requests)
			}
			eventually(t, "the return is logged", func() bool {
				f.ask(0)
				return len(f.log.matching("store is back")) > 0 && len(f.log.matching("followed again")) == len(f.log.matching("out of reach"))
			})
			for _, event := range []string{"store lost", "store is back", "out of reach"} {
				if n := len(f.log.matching(event)); n > 1 || n == 0 && event != "out of reach" {
					t.Errorf("logged %q", f.log.list)
				}
			}
		})
	}
}

// loading has Redis read its data from disk for some seconds.
func loading(f *faulty) (harm, heal func()) {
	done := make(chan struct{})
	harm = func() {
		f.do("CONFIG", "SET", "loading-process-events-interval-bytes", "1024")
		f.do("CONFIG", "SET", "key-load-delay", "200")
		f.do("EVAL", "for i=1,8000 do redis.call('SET', 'ballast:'..i, string.rep('x', 100)) end return 1", "0")
		go func() {
			defer close(done)
			f.admin.Do(context.Background(), "DEBUG", "RELOAD") // the reply may not come within the client's time
		}()
	}
	return harm, func() { <-done }
}

// TestFullRedisIsLostOnce: a Redis that is full refuses entries and goes on taking leases back, which is no sign of its return.
func TestFullRedisIsLostOnce(t *testing.T) {
	f := newFaulty(t)
	f.h = f.cache.For(time.Hour, Once())(f.origin)
	f.allHit("at first")
	f.do("CONFIG", "SET", "maxmemory", "1kb")
	f.do("FLUSHALL")
	stop := f.load()
	eventually(t, "the store is lost", func() bool { return len(f.log.matching("store lost")) > 0 })
	time.Sleep(3 * breakerProbe)
	if lost, back := f.log.matching("store lost"), f.log.matching("store is back"); len(lost) != 1 || len(back) != 0 {
		t.Errorf("logged %q and %q", lost, back)
	}
	f.do("CONFIG", "SET", "maxmemory", "0")
	f.allHit("when there was room again")
	eventually(t, "the return is logged", func() bool { return len(f.log.matching("store is back")) == 1 })
	stop()
}

// TestForeignValuesInRedis: what others wrote under our keys is a miss and gets overwritten.
func TestForeignValuesInRedis(t *testing.T) {
	f := newFaulty(t)
	f.allHit("at first")
	for _, ruin := range []func(key string){
		func(key string) { f.do("SET", key, "garbage") },
		func(key string) { f.do("SET", key, "") },
		func(key string) { f.do("APPEND", key, "x") },
		func(key string) { f.do("SETRANGE", key, 20, "x\x00y") },
	} {
		keys, err := f.admin.Keys(t.Context(), "larder:*/*").Result()
		if err != nil || len(keys) < faultyKeys {
			t.Fatal(keys, err)
		}
		for _, key := range keys {
			ruin(key)
		}
		for n := range faultyKeys {
			if f.ask(n) {
				t.Errorf("a ruined entry was served")
			}
		}
		f.allHit("after entries were ruined")
	}
	if n := f.cache.Stats().Corrupt; n != 4*faultyKeys {
		t.Errorf("%d counted", n)
	}
	for n := range faultyKeys {
		key := "larder:example.com/" + strconv.Itoa(n) + "()"
		f.do("DEL", key)
		f.do("RPUSH", key, "a list")
		if f.ask(n) {
			t.Error("a list was served")
		}
	}
	f.allHit("after entries became lists")
	if lost := f.log.matching("store lost"); len(lost) > 0 {
		t.Errorf("logged %q, though Redis is well", lost)
	}
}
