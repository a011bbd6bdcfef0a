package fleet

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
)

// TestPurgeLatency prints how long other replicas answer with what was purged, all of them under load.
func TestPurgeLatency(t *testing.T) {
	server := redistest.Start(t, withUser(rights))
	b := backend{Addrs: []string{server.Addr()}, User: user, Password: password}
	f := start(t, size, b, b.Addrs, server)
	l := f.startLoad()
	l.awaitSharing()
	l.awaitHits()
	var sent, acknowledged []time.Duration
	for n := range either(100, 1000) {
		from := n % size
		s, a := l.purgeAndWatch(from, strconv.Itoa(rand.IntN(items)))
		sent, acknowledged = append(sent, s...), append(acknowledged, a...)
	}
	t.Logf("until another replica answers anew: from the call of Invalidate %s; from its return %s",
		percentiles(sent), percentiles(acknowledged))
	t.Logf("meanwhile the replicas served %d requests", l.served())
}

// purgeAndWatch purges an item at one replica and asks the others until they know, which judge limits to the lease.
func (l *load) purgeAndWatch(from int, id string) (sent, acknowledged []time.Duration) {
	began := time.Now()
	var version int
	l.replicas[from].use(func(p *process) { version = l.purgeAt(p, id, "tag", "item:"+id) })
	returned := time.Now()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i, r := range l.replicas {
		if i == from {
			continue
		}
		wg.Go(func() {
			r.use(func(p *process) { l.await(p, id, version) })
			mu.Lock()
			defer mu.Unlock()
			sent, acknowledged = append(sent, time.Since(began)), append(acknowledged, time.Since(returned))
		})
	}
	wg.Wait()
	return sent, acknowledged
}

func (l *load) await(p *process, id string, want int) {
	for {
		now := time.Now()
		version, _, err := p.get("/items/" + id)
		l.judge(p, id, version, now, err)
		if version >= want || err != nil {
			return
		}
	}
}

func (l *load) served() (n int64) {
	for i := range l.requests {
		n += l.requests[i].Load()
	}
	return n
}

func percentiles(d []time.Duration) string {
	slices.Sort(d)
	at := func(share float64) time.Duration { return d[int(share*float64(len(d)-1))].Round(10 * time.Microsecond) }
	return "p50 " + at(0.5).String() + ", p99 " + at(0.99).String() + ", at most " + at(1).String()
}
