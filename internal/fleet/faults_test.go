package fleet

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larderhq/larder/internal/redistest"
)

const (
	size   = 3
	logKey = "larder:invalidations"
)

// fault is something that goes wrong under load. After it every replica has to hit again, also on what another one stored.
type fault struct {
	name   string
	strike func(*testing.T)
}

func (l *load) play(t *testing.T, faults ...fault) {
	l.database.beSluggish()
	l.awaitSharing()
	t.Logf("hit rates: %.2f", l.awaitHits())
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			began := time.Now()
			f.strike(t)
			during := time.Since(began)
			l.awaitSharing()
			sharing := time.Since(began)
			rates := l.awaitHits()
			t.Logf("%.1f s of fault; responses are shared after %.1f s; after %.1f s the hit rates are %.2f; %d of %d purges were refused",
				during.Seconds(), sharing.Seconds(), time.Since(began).Seconds(), rates, l.refused.Load(), l.purges.Load())
			l.report(t)
		})
	}
	if oldest := time.Duration(l.oldest.Load()); oldest > 0 {
		t.Logf("the latest older answer came %v after its purge", oldest)
	}
}

// TestServer is one server, reached by TLS. It keeps its data, so that a restart finds responses from before.
func TestServer(t *testing.T) {
	t.Parallel()
	server, b := secured(t, redistest.Config("appendonly", "yes"))
	f := start(t, size, b, b.Addrs, server)
	l := f.startLoad()
	l.play(t,
		fault{"one replica cut off", func(t *testing.T) { f.cutOff(t, f.replicas[1]) }},
		fault{"FLUSHALL", func(t *testing.T) { f.again(t, "FLUSHALL") }},
		fault{"XTRIM 0", func(t *testing.T) { f.again(t, "XTRIM", logKey, "MAXLEN", 0) }},
		fault{"DEL of the log", func(t *testing.T) { f.again(t, "DEL", logKey) }},
		fault{"eviction", f.evict},
		fault{"restart of everything", func(*testing.T) { f.restart() }},
	)
}

func (f *fleet) cutOff(t *testing.T, r *replica) {
	r.link.cut(t)
	time.Sleep(either(3*lease(), 10*time.Second))
	r.link.mend()
}

// again sends a command a few times, as one alone would hardly meet a purge or a fill under way.
func (f *fleet) again(t *testing.T, command ...any) {
	client := f.servers[0].Client()
	for range 10 {
		if err := client.Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(200 * time.Millisecond))
	}
}

// evict fills the memory that Redis may use until it has thrown away thousands of keys. Now and then Redis finds no key to throw
// away, and refuses writes.
func (f *fleet) evict(t *testing.T) {
	server := f.servers[0]
	client := server.Client()
	server.Config("maxmemory-policy", "allkeys-lru")
	server.Config("maxmemory", strconv.Itoa(info(t, client, "used_memory")+4<<20))
	filler := strings.Repeat("x", 4000)
	for n := 0; info(t, client, "evicted_keys") < 3000; n++ {
		pipe := client.Pipeline()
		for i := range 100 {
			pipe.Set(t.Context(), fmt.Sprintf("filler:%d:%d", n, i), filler, time.Minute)
		}
		if _, err := pipe.Exec(t.Context()); err != nil && !strings.HasPrefix(err.Error(), "OOM") {
			t.Fatal(err)
		}
	}
	server.Config("maxmemory", "0")
}

// restart kills every process there is. The replicas are back before Redis.
func (f *fleet) restart() {
	for _, r := range f.replicas {
		r.gate.Lock()
		r.kill()
	}
	for _, s := range f.servers {
		s.Kill()
	}
	for _, r := range f.replicas {
		r.start()
		r.gate.Unlock()
	}
	time.Sleep(lease())
	for _, s := range f.servers {
		s.Restart()
	}
}

// info is a number of INFO.
func info(t *testing.T, client *redis.Client, name string) int {
	t.Helper()
	text, err := client.Info(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(text, "\n"+name+":")
	line, _, _ = strings.Cut(line, "\r")
	n, err := strconv.Atoi(line)
	if err != nil {
		t.Fatalf("INFO has no number %s", name)
	}
	return n
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, withUser(rights))
	b := backend{Addrs: s.Addrs(), Primary: s.PrimaryName(), User: user, Password: password}
	f := start(t, size, b, append(addrs(s.Nodes), s.Addrs()...), s.Nodes...)
	l := f.startLoad()
	var killed *redistest.Server
	l.play(t,
		fault{"end of the primary", func(*testing.T) {
			killed = s.Primary()
			killed.Kill()
			for s.Primary() == killed {
				time.Sleep(50 * time.Millisecond)
			}
		}},
		fault{"return of the old primary", func(*testing.T) { killed.Restart() }},
	)
}

func TestCluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, withUser(rights+clusterRights))
	b := backend{Addrs: c.Addrs(), Cluster: true, User: user, Password: password}
	f := start(t, size, b, c.Addrs(), c.Nodes...)
	l := f.startLoad()
	client := c.Client()
	primary := func(t *testing.T) *redistest.Server {
		node, err := client.MasterForKey(t.Context(), logKey)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range c.Nodes {
			if n.Addr() == node.Options().Addr {
				return n
			}
		}
		t.Fatalf("unknown node %s", node.Options().Addr)
		return nil
	}
	var killed *redistest.Server
	l.play(t,
		fault{"end of the primary that has the log", func(t *testing.T) {
			killed = primary(t)
			killed.Kill()
		}},
		fault{"return of the old primary", func(*testing.T) { killed.Restart() }},
	)
}

func addrs(servers []*redistest.Server) []string {
	list := make([]string, len(servers))
	for i, s := range servers {
		list[i] = s.Addr()
	}
	return list
}
