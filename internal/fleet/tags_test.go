package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larderhq/larder/internal/redistest"
	"github.com/larderhq/larder/internal/store"
)

// TestTagOfManyEntries purges one tag of many stored responses: one write, and nothing in Redis beside the responses.
func TestTagOfManyEntries(t *testing.T) {
	server := redistest.Start(t, withUser(rights))
	b := backend{Addrs: []string{server.Addr()}, User: user, Password: password}
	f := start(t, 2, b, b.Addrs, server)
	f.awaitSharing()
	many := stored{t: t, client: server.Client(), n: either(100_000, 1_000_000)}
	many.template(f.replicas[0])

	before := info(t, many.client, "used_memory")
	many.write("bare", nil)
	bare := info(t, many.client, "used_memory") - before
	many.forget()
	before = info(t, many.client, "used_memory")
	many.write("item", []string{"items"})
	tagged := info(t, many.client, "used_memory") - before
	t.Logf("%d responses take %.0f bytes each with a tag and %.0f without", many.n, many.each(tagged), many.each(bare))
	if keys := many.client.DBSize(t.Context()).Val(); keys != int64(many.n+1) {
		t.Errorf("%d keys for %d responses and the log", keys, many.n)
	}
	if more := many.each(tagged) - many.each(bare); more > 16 { // the tag's name, and what the allocator rounds up to
		t.Errorf("a tag takes %.0f bytes of each response's share", more)
	}

	for _, r := range f.replicas {
		many.expect(r, "Hit")
	}
	counts := many.commands()
	began := time.Now()
	if refused, fatal := f.replicas[0].process.purge("tag", "items"); refused != nil || fatal != nil {
		t.Fatal(refused, fatal)
	}
	t.Logf("purged in %v", time.Since(began))
	many.wroteOnce(counts)
	many.expect(f.replicas[0], "Miss")
	time.Sleep(lease())
	many.expect(f.replicas[1], "Miss")
}

// stored is many responses in Redis, copies of one that a replica has stored.
type stored struct {
	t      *testing.T
	client *redis.Client
	n      int
	entry  *store.Entry
	asked  int
}

// template gets the response to copy and makes the database of Redis empty but for the log.
func (m *stored) template(r *replica) {
	m.t.Helper()
	if _, _, err := r.process.get("/items/0"); err != nil {
		m.t.Fatal(err)
	}
	key := "larder:" + host + "/items/0()"
	var value []byte
	for len(value) == 0 {
		value, _ = m.client.Get(m.t.Context(), key).Bytes() // Redis is written behind the response.
	}
	var err error
	if m.entry, err = store.Decode(key, value); err != nil {
		m.t.Fatal(err)
	}
	m.entry.Terms.Lifetime = time.Hour
	m.forget()
}

// forget deletes all but the log.
func (m *stored) forget() {
	m.t.Helper()
	scan := m.client.Scan(m.t.Context(), 0, "larder:"+host+"*", 1000).Iterator()
	m.pipelined(func(pipe redis.Pipeliner) bool {
		for range 1000 {
			if !scan.Next(m.t.Context()) {
				return false
			}
			pipe.Del(m.t.Context(), scan.Val())
		}
		return true
	})
}

// write stores the responses under names that begin alike.
func (m *stored) write(name string, tags []string) {
	m.t.Helper()
	i := 0
	m.pipelined(func(pipe redis.Pipeliner) bool {
		for end := i + 1000; i < end; i++ {
			e := *m.entry
			e.Key, e.Target, e.Tags = m.key(name, i), strings.TrimSuffix(strings.TrimPrefix(m.key(name, i), "larder:"), "()"), tags
			pipe.Set(m.t.Context(), e.Key, store.Encode(&e), time.Hour)
		}
		return i < m.n
	})
}

func (m *stored) key(name string, i int) string {
	return fmt.Sprintf("larder:%s/items/%s-%07d()", host, name, i)
}

// pipelined sends what f adds until it has no more.
func (m *stored) pipelined(f func(redis.Pipeliner) bool) {
	m.t.Helper()
	for more := true; more; {
		pipe := m.client.Pipeline()
		more = f(pipe)
		if _, err := pipe.Exec(context.Background()); err != nil {
			m.t.Fatal(err)
		}
	}
}

func (m *stored) each(bytes int) float64 { return float64(bytes) / float64(m.n) }

// expect asks a replica for some of the responses, none twice.
func (m *stored) expect(r *replica, want string) {
	m.t.Helper()
	for range 100 {
		path := fmt.Sprintf("/items/item-%07d", m.asked*(m.n/1000)+rand.IntN(m.n/1000))
		m.asked++
		if _, cache, err := r.process.get(path); err != nil || cache != want {
			m.t.Fatalf("GET %s: X-Cache %q, want %q (%v)", path, cache, want, err)
		}
	}
}

// commands are the calls of each command, as INFO commandstats counts them.
func (m *stored) commands() map[string]int {
	m.t.Helper()
	text, err := m.client.Info(m.t.Context(), "commandstats").Result()
	if err != nil {
		m.t.Fatal(err)
	}
	counts := make(map[string]int)
	for line := range strings.Lines(text) {
		name, rest, found := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if digits, _, _ := strings.Cut(rest, ","); found {
			if counts[name], err = strconv.Atoi(digits); err != nil {
				m.t.Fatal(err)
			}
		}
	}
	return counts
}

// wroteOnce checks that one record was appended since and nothing else was written. What follows the log goes on: it reads, and
// trims nothing; and a client may open one more connection meanwhile.
func (m *stored) wroteOnce(before map[string]int) {
	m.t.Helper()
	after := m.commands()
	for name := range after {
		after[name] -= before[name]
	}
	m.t.Logf("commands of the purge and of following the log: %v", after)
	for _, name := range []string{"evalsha", "info", "xread", "xrange", "xrevrange", "xtrim", "hello", "client", "client|setinfo", "client|maint_notifications", "auth", "select"} {
		delete(after, name)
	}
	for name, calls := range after {
		if want := map[string]int{"xadd": 1}[name]; calls != want {
			m.t.Errorf("%d calls of %s, want %d", calls, name, want)
		}
	}
}
