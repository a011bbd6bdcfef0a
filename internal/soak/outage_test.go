package soak

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/larderhq/larder/internal/redistest"
	larder "github.com/larderhq/larder/middleware"
)

// outage is a Redis that gets into trouble behind a proxy, under a constant load on two caches: one with memory, and one that asks
// Redis for each request. Their handler takes no time, so that all that a request takes is what the cache adds.
type outage struct {
	t      *testing.T
	server *redistest.Server
	proxy  *toxiproxy.Proxy
	sides  []*side
	wg     sync.WaitGroup
	phase  atomic.Int32
}

// side is one of the caches with what was measured of it.
type side struct {
	name   string
	cache  *larder.Cache
	h      http.Handler
	failed atomic.Int64
	phases [phases]times
	hits   [phases]atomic.Int64
}

// Phases of an outage. What comes after it is not measured but for when hits are back.
const (
	healthy int32 = iota
	first         // half a second from its beginning
	later
	phases
)

const known = 50 // pages that are asked for again and again

func newOutage(t *testing.T) *outage {
	t.Helper()
	o := &outage{t: t, server: redistest.Start(t)}
	o.proxy = newProxy(t, o.server)
	for name, memory := range map[string]int64{"memory and Redis": 0, "Redis alone": -1} {
		o.add(name, memory, redis.NewClient(&redis.Options{Addr: o.proxy.Listen}))
	}
	return o
}

func newProxy(t *testing.T, server *redistest.Server) *toxiproxy.Proxy {
	t.Helper()
	control := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(control, "redis", "127.0.0.1:0", server.Addr())
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// add gives the outage one more side, on a client of its own.
func (o *outage) add(name string, memory int64, client redis.UniversalClient) *side {
	o.t.Helper()
	o.t.Cleanup(func() { _ = client.Close() }) // its server may be gone
	c := newCache(o.t, larder.Options{Redis: client, MemoryBytes: memory, Prefix: strings.ReplaceAll(name, " ", "-")})
	s := &side{name: name, cache: c, h: c.For(time.Hour)(http.HandlerFunc(echo))}
	o.sides = append(o.sides, s)
	return s
}

func echo(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.URL.Path)) } // to a recorder

// ask asks for a known page, or now and then for a new one, so that there is always something to store.
func (o *outage) ask(s *side, n int) (hit bool) {
	path := "/" + strconv.Itoa(n%known)
	if n%10 == 0 {
		path = "/new/" + strconv.Itoa(n)
	}
	phase, w := o.phase.Load(), httptest.NewRecorder()
	sent := time.Now()
	s.h.ServeHTTP(w, request(path))
	took := time.Since(sent)
	if w.Code != http.StatusOK || w.Body.String() != path {
		s.failed.Add(1)
	}
	hit = w.Header().Get("X-Cache") == "Hit"
	if phase < phases {
		s.phases[phase].add(took)
		if hit {
			s.hits[phase].Add(1)
		}
	}
	return hit
}

// load has a few clients of each side ask until the context ends.
func (o *outage) load(ctx context.Context) {
	for _, s := range o.sides {
		for c := range 2 {
			o.wg.Go(func() {
				for n := c << 40; ctx.Err() == nil; n++ {
					o.ask(s, n)
					time.Sleep(time.Millisecond)
				}
			})
		}
	}
}

// allHit returns when every known page comes from these caches again.
func (o *outage) allHit(sides ...*side) {
	for _, s := range sides {
		for hits := 0; hits < known; {
			hits = 0
			for n := range known {
				if o.ask(s, 1+10*n) {
					hits++
				}
			}
		}
	}
}

func (o *outage) poison(toxic string) func() {
	return func() {
		for _, direction := range []string{"upstream", "downstream"} {
			if _, err := o.proxy.Toxics.AddToxicJson(strings.NewReader(`{"stream":"` + direction + `",` + toxic + `}`)); err != nil {
				o.t.Fatal(err)
			}
		}
	}
}

func (o *outage) cure() { o.proxy.Toxics.ResetToxics(context.Background()) }

// TestOutages: whatever happens to Redis, no request fails, and hits come back by themselves.
func TestOutages(t *testing.T) {
	beside(t)
	for _, fault := range []struct {
		name string
		of   func(*outage) (harm, heal func())
	}{
		{"stopped", func(o *outage) (func(), func()) { return o.server.Kill, o.server.Restart }},
		{"restarted", func(o *outage) (func(), func()) { return o.server.Restart, func() {} }},
		{"paused", func(o *outage) (func(), func()) { return o.server.Pause, o.server.Resume }},
		{"250 ms each way", func(o *outage) (func(), func()) {
			return o.poison(`"type":"latency","attributes":{"latency":250}`), o.cure
		}},
		{"packets dropped", func(o *outage) (func(), func()) {
			return o.poison(`"type":"timeout","attributes":{"timeout":0}`), o.cure
		}},
		{"maxmemory, noeviction", func(o *outage) (func(), func()) {
			return func() { o.server.Config("maxmemory", "1kb") }, func() { o.server.Config("maxmemory", "0") }
		}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			beside(t)
			o := newOutage(t)
			o.allHit(o.sides...)
			ctx, stop := context.WithCancel(t.Context())
			o.load(ctx)
			time.Sleep(either(2*time.Second, 200*time.Millisecond))
			o.strike(fault.of(o))
			stop()
			o.wg.Wait()
			for _, s := range o.sides {
				s.report(t)
			}
		})
	}
}

func (o *outage) strike(harm, heal func()) {
	const beginning = 500 * time.Millisecond
	o.phase.Store(first)
	harm()
	time.Sleep(beginning)
	o.phase.Store(later)
	time.Sleep(either(5*time.Second, time.Second) - beginning)
	heal()
	o.phase.Store(phases)
	o.awaitHits("the end", o.sides)
}

func (o *outage) awaitHits(from string, sides []*side) {
	o.t.Helper()
	began := time.Now()
	o.allHit(sides...)
	o.t.Logf("all pages hit %v after %s", time.Since(began).Round(time.Millisecond), from)
}

func (s *side) report(t *testing.T) {
	t.Helper()
	requests := 0
	for i, name := range []string{"before", "first 0.5 s", "later"} {
		p := &s.phases[i]
		requests += p.count()
		t.Logf("%s, %s: %d requests, %d hits, p50 %v, p99 %v, longest %v",
			s.name, name, p.count(), s.hits[i].Load(), p.quantile(0.5), p.quantile(0.99), p.quantile(1))
	}
	if n := s.failed.Load(); n > 0 || requests == 0 {
		t.Errorf("%s: %d of %d requests failed", s.name, n, requests)
	}
}
