package invalidation

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
	"github.com/redis/go-redis/v9"
)

const (
	chaosLease = 400 * time.Millisecond
	chaosTime  = 5 * time.Second
)

// chaos is the model's promise against a real server and real clocks: three logs with a cache of a few lines around each.
type chaos struct {
	t    *testing.T
	data [keys]atomic.Int64
	stop context.Context

	mu     sync.Mutex
	store  [keys]saved      // guarded by mu
	orders [keys][]returned // guarded by mu
	hits   int              // guarded by mu
}

// returned is an Append that came back.
type returned struct {
	by      *Log
	version int
	at      time.Time
	acked   bool
}

type chaosProcess struct {
	*chaos
	cut    atomic.Bool // its connections are silent
	log    *Log
	mu     sync.Mutex
	memory [keys]*stored // guarded by mu
}

// silence is a connection on which nothing arrives while its process is cut off.
type silence struct {
	net.Conn
	cut *atomic.Bool
}

func (s silence) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	for s.cut.Load() {
		time.Sleep(5 * time.Millisecond)
	}
	return n, err
}

func (p *chaosProcess) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return silence{c, &p.cut}, nil
}

func (p *chaosProcess) remembered(k int) *stored {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.memory[k]
}

func (p *chaosProcess) remember(k int, s *stored) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old := p.memory[k]; old == nil || s.stamp.Supersedes(old.stamp) {
		p.memory[k] = s
	}
}

// serve answers one request as a cache does.
func (p *chaosProcess) serve(k int) {
	arrived := time.Now()
	if s := p.remembered(k); s != nil && p.log.Usable(s.stamp, arrived) == Valid {
		p.check(k, s.version, arrived, true)
		return
	}
	p.chaos.mu.Lock()
	kept := p.store[k]
	p.chaos.mu.Unlock()
	s := &stored{kept.version, kept.position.Stamp(selectorsOf(k))}
	if p.log.Usable(s.stamp, arrived) == Valid {
		p.remember(k, s)
		p.check(k, s.version, arrived, true)
		return
	}
	note := p.log.Note()
	s = &stored{int(p.data[k].Load()), note.Stamp(selectorsOf(k))}
	if rand.IntN(20) == 0 {
		time.Sleep(time.Duration(rand.IntN(800)) * time.Millisecond)
	}
	p.remember(k, s)
	p.chaos.mu.Lock()
	p.store[k] = saved{note.Position, s.version}
	p.chaos.mu.Unlock()
}

func (p *chaosProcess) check(k, version int, arrived time.Time, hit bool) {
	p.chaos.mu.Lock()
	defer p.chaos.mu.Unlock()
	if hit {
		p.hits++
	}
	for _, o := range p.orders[k] {
		after := arrived.Sub(o.at)
		if version < o.version && (o.by == p.log && after > 0 || o.acked && after > chaosLease) {
			p.t.Errorf("key %d at version %d, %v after it was purged to %d (own purge: %v)", k, version, after, o.version, o.by == p.log)
		}
	}
}

// purge changes the data behind a key and then invalidates it.
func (p *chaosProcess) purge(k int) {
	version := int(p.data[k].Add(1))
	_, err := p.log.Append(p.stop, Record{Selector: selectors[k][0]})
	o := returned{p.log, version, time.Now(), err == nil}
	p.chaos.mu.Lock()
	defer p.chaos.mu.Unlock()
	p.orders[k] = append(p.orders[k], o)
}

func (c *chaos) repeatedly(wg *sync.WaitGroup, pause time.Duration, f func()) {
	wg.Go(func() {
		for c.stop.Err() == nil {
			f()
			time.Sleep(time.Duration(rand.Int64N(int64(2 * pause))))
		}
	})
}

func TestChaos(t *testing.T) {
	server := redistest.Start(t)
	stop, cancel := context.WithTimeout(t.Context(), chaosTime)
	defer cancel()
	c := &chaos{t: t, stop: stop}
	var wg sync.WaitGroup
	var processes []*chaosProcess
	for range 3 {
		p := &chaosProcess{chaos: c}
		p.log = open(t, Config{Client: server.ClientWith(redis.Options{Dialer: p.dial}), Lease: chaosLease})
		processes = append(processes, p)
		for range 4 {
			c.repeatedly(&wg, time.Millisecond, func() { p.serve(rand.IntN(keys)) })
		}
		c.repeatedly(&wg, 300*time.Millisecond, func() { p.purge(rand.IntN(keys)) })
	}
	admin := server.Client()
	faults := []func(){
		func() { admin.FlushAll(t.Context()) },
		func() { admin.Del(t.Context(), logKey) },
		func() { admin.XTrimMaxLen(t.Context(), logKey, rand.Int64N(3)) },
		func() { admin.ClientKillByFilter(t.Context(), "TYPE", "normal") },
		server.Restart,
		func() {
			server.Pause()
			time.Sleep(time.Duration(rand.IntN(700)) * time.Millisecond)
			server.Resume()
		},
	}
	for _, p := range processes {
		c.repeatedly(&wg, time.Second, func() {
			p.cut.Store(true)
			time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
			p.cut.Store(false)
		})
	}
	next := 0
	c.repeatedly(&wg, 200*time.Millisecond, func() {
		faults[next%len(faults)]()
		next++
	})
	wg.Wait()
	for _, p := range processes {
		eventually(t, func() bool {
			return p.log.Pending() == 0 && p.log.Usable(p.log.Note().Position.Stamp(nil), time.Now()) == Valid
		})
	}
	if c.hits == 0 {
		t.Error("a cache that keeps its promise by not caching")
	}
	t.Logf("%d hits, %d faults", c.hits, next)
}
