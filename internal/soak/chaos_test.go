package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larderhq/larder/internal/redistest"
	larder "github.com/larderhq/larder/middleware"
)

const (
	readers = 6 // of each replica
	users   = 5
)

// storm is clients that ask, leave, write and purge at random, and know what they may get.
type storm struct {
	world
	t      *testing.T
	fleets []*fleet
	client http.Client
	hasty  http.Client // of requests that end before their answers, on connections of their own: net/http may give the error of one that has ended to the next
	wg     sync.WaitGroup
	gate   sync.RWMutex // held for reading during requests, for writing while the heap is measured

	requests, left, hits, failed, purges, refused, judged atomic.Int64
	mu                                                    sync.Mutex
	violations                                            []error // guarded by mu
}

// TestChaos lets requests be cancelled, Redis be killed, paused, flushed and filled, items be purged, and handlers be slow, panic,
// fail, break off and answer one user only, all at random, in front of two replicas on one Redis and one with nothing but memory.
// Each body says what it is an answer to and which version of it: none may be wrong or older than the promise allows, no request
// may fail but by the handler's doing, and neither goroutines nor memory may be left behind. It runs alone, since it measures the heap.
func TestChaos(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	connections := func() *http.Transport { return &http.Transport{MaxIdleConnsPerHost: readers + 2} }
	s := &storm{t: t, client: http.Client{Transport: connections()}, hasty: http.Client{Transport: connections()}}
	before := liveHeap()
	s.fleets = []*fleet{s.newFleet(t, server.Client(), server.Client()), s.newFleet(t, nil)}
	t.Cleanup(s.client.CloseIdleConnections) // before the servers close
	t.Cleanup(s.hasty.CloseIdleConnections)
	ctx, stop := context.WithCancel(t.Context())
	for _, f := range s.fleets {
		for _, r := range f.replicas {
			for range readers {
				s.repeat(ctx, 4*time.Millisecond, func() { s.ask(r) })
			}
			s.repeat(ctx, 50*time.Millisecond, func() { s.write(r) })
		}
	}
	s.repeat(ctx, 20*time.Millisecond, s.purge)
	for end, next := time.Now().Add(*chaos), time.Now(); time.Now().Before(end); {
		s.harm(server, admin)
		if time.Now().After(next) {
			next = time.Now().Add(*chaos / 8)
			s.weigh(before)
		}
	}
	stop()
	s.wg.Wait()
	s.recovers()
	s.weigh(before)
	s.report()
}

func (s *storm) repeat(ctx context.Context, pause time.Duration, f func()) {
	s.wg.Go(func() {
		for ctx.Err() == nil {
			s.gate.RLock()
			f()
			s.gate.RUnlock()
			time.Sleep(rand.N(2 * pause))
		}
	})
}

// harm does something to Redis and makes it good after a while.
func (s *storm) harm(server *redistest.Server, admin *redis.Client) {
	do := func(args ...any) {
		if err := admin.Do(s.t.Context(), args...).Err(); err != nil {
			s.t.Errorf("%v: %v", args, err)
		}
	}
	for range rand.IntN(3) {
		time.Sleep(rand.N(500 * time.Millisecond))
	}
	switch rand.IntN(5) {
	case 0:
		server.Kill()
		time.Sleep(rand.N(lease * 3 / 2))
		server.Restart()
	case 1:
		server.Pause()
		time.Sleep(rand.N(lease * 3 / 2))
		server.Resume()
	case 2:
		do("FLUSHALL")
	case 3:
		do("CONFIG", "SET", "maxmemory", "1kb")
		time.Sleep(rand.N(lease))
		do("CONFIG", "SET", "maxmemory", "0")
	case 4:
		do("CLIENT", "KILL", "TYPE", "normal")
	}
}

func oneOf[T any](list []T) T { return list[rand.IntN(len(list))] }

// ask sends one request and judges the answer.
func (s *storm) ask(r *replica) {
	route, item := oneOf(routes), rand.IntN(items)
	target := route + strconv.Itoa(item)
	if route == pages {
		target += "?n=" + strconv.Itoa(rand.IntN(1_000_000))
	}
	ctx, cancel := context.Background(), func() {}
	if rand.IntN(6) == 0 {
		ctx, cancel = context.WithTimeout(ctx, rand.N(60*time.Millisecond))
	}
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, r.server.URL+target, http.NoBody)
	if err != nil {
		s.violate("%v", err)
		return
	}
	user := "user-" + strconv.Itoa(rand.IntN(users))
	q.Header.Set("User", user)
	switch route {
	case mine:
		q.Header.Set("Authorization", user)
	case varied:
		q.Header.Set("Accept-Language", user)
	}
	if rand.IntN(3) == 0 {
		q.Header.Set("Trouble", oneOf(troubles))
	}
	promised := r.promised(item)
	w, body, err := s.send(q)
	s.requests.Add(1)
	s.judge(q, w, body, err, promised)
}

func (s *storm) send(q *http.Request) (w *http.Response, body string, err error) {
	q.Host = "shop.example" // the same for all replicas, as it is in the keys
	client := &s.client
	if _, hasty := q.Context().Deadline(); hasty {
		client = &s.hasty
	}
	if w, err = client.Do(q); err != nil {
		return nil, "", err
	}
	defer func() { _ = w.Body.Close() }() // it is read to its end, or has failed
	b, err := io.ReadAll(w.Body)
	return w, string(b), err
}

func (s *storm) judge(q *http.Request, w *http.Response, body string, err error, promised int64) {
	user, trouble := q.Header.Get("User"), q.Header.Get("Trouble")
	switch {
	case err != nil && q.Context().Err() != nil, errors.Is(err, context.DeadlineExceeded):
		s.left.Add(1)
		return
	case err != nil || w.StatusCode != http.StatusOK:
		s.failed.Add(1)
		if !slices.Contains(failing, trouble) {
			s.violate("%s with trouble %q failed: %v, %+v, %.100q", q.URL, trouble, err, w, body)
		}
		return
	}
	s.judged.Add(1)
	if w.Header.Get("X-Cache") == "Hit" {
		s.hits.Add(1)
	}
	p, ok := parsePage(body)
	status := w.Header.Get("Cache-Status")
	personal := strings.HasPrefix(q.URL.Path, mine) || strings.HasPrefix(q.URL.Path, varied)
	cookie := w.Header.Get("Set-Cookie")
	switch {
	case !ok || p.target != q.URL.RequestURI():
		s.violate("%s got %.100q (%s)", q.URL, body, status)
	case p.user != user && (personal || p.user != everybody):
		s.violate("%s of %s got %s's (%s)", q.URL, user, p.user, status)
	case cookie != "" && cookie != "user="+user:
		s.violate("%s of %s got the cookie %s (%s)", q.URL, user, cookie, status)
	case p.version < promised:
		s.violate("%s got version %d, promised was %d (%s)", q.URL, p.version, promised, status)
	}
}

func (s *storm) violate(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.violations = append(s.violations, fmt.Errorf(format, args...))
}

// write changes an item through a route that purges. Whether the log has it is not told.
func (s *storm) write(r *replica) {
	item := rand.IntN(items)
	q, err := http.NewRequestWithContext(context.Background(), http.MethodPost, r.server.URL+shared+strconv.Itoa(item), http.NoBody)
	if err != nil {
		s.violate("%v", err)
		return
	}
	w, body, err := s.send(q)
	if err != nil || w.StatusCode != http.StatusOK {
		s.violate("a write failed: %v, %+v", err, w)
		return
	}
	r.purged(item, int64(number(body)), false)
}

// purge changes an item and then purges it, at one replica of each fleet.
func (s *storm) purge() {
	item := rand.IntN(items)
	what := []larder.Selector{larder.Tag("item:" + strconv.Itoa(item))}
	switch rand.IntN(100) {
	case 0:
		what[0] = larder.All()
	case 1, 2:
		what = nil
		for _, route := range routes {
			what = append(what, larder.Route("GET "+route+"{id}"))
		}
	case 3, 4, 5, 6, 7, 8, 9, 10:
		what = nil
		for _, route := range routes {
			what = append(what, larder.Path(route+strconv.Itoa(item)))
		}
	}
	version := s.versions[item].Add(1)
	for _, f := range s.fleets {
		r := oneOf(f.replicas)
		err := r.cache.Invalidate(context.Background(), what...)
		s.purges.Add(1)
		if err != nil {
			s.refused.Add(1)
		}
		r.purged(item, version, err == nil)
	}
}

// recovers returns when replicas share again what they store.
func (s *storm) recovers() {
	r := s.fleets[0].replicas
	for n := 1_000_000; ; n++ {
		var last string
		for _, r := range r {
			q, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, fmt.Sprintf("%s%s0?n=%d", r.server.URL, pages, n), http.NoBody)
			if err != nil {
				s.t.Fatal(err)
			}
			w, _, err := s.send(q)
			if err != nil {
				s.t.Fatal(err)
			}
			last = w.Header.Get("X-Cache")
			time.Sleep(20 * time.Millisecond) // Redis is written behind the response
		}
		if last == "Hit" {
			return
		}
	}
}

// weigh holds what the heap has more than before against the bounds of the caches: that of the stored responses, with a tenth for
// what is about them, and those of what is known of variants and purges; and some for the clients and servers.
func (s *storm) weigh(before int64) {
	s.gate.Lock()
	defer s.gate.Unlock()
	const bound = 3*(memoryBytes*12/10+4<<20) + 8<<20
	held := liveHeap() - before
	s.t.Logf("%d requests, %d of them hits, %d left, %d failed by trouble; %d purges, %d refused; %.1f MiB held",
		s.requests.Load(), s.hits.Load(), s.left.Load(), s.failed.Load(), s.purges.Load(), s.refused.Load(), float64(held)/(1<<20))
	if held > bound {
		s.t.Errorf("the heap holds %d B more than before", held)
	}
}

func (s *storm) report() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.violations); n > 0 {
		s.t.Errorf("%d violations: %v", n, errors.Join(s.violations[:min(n, 10)]...))
	}
	if s.judged.Load() == 0 || s.hits.Load() == 0 || s.left.Load() == 0 || s.failed.Load() == 0 {
		s.t.Error("nothing happened")
	}
}
