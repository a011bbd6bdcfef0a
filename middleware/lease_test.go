package middleware

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larderhq/larder/internal/redistest"
)

// replicaOn is a cache on a Redis that may take its time, in front of the handler.
func replicaOn(t *testing.T, client redis.UniversalClient, h http.Handler) (*Cache, http.Handler) {
	t.Helper()
	c := newTestCache(t, Options{Redis: client, StoreTimeout: 10 * time.Second, Lease: 10 * time.Second})
	c.log.Await(t.Context()) // until the log has begun
	return c, c.For(time.Hour, Once())(h)
}

// leases are the keys of leases in a Redis.
func leases(t *testing.T, client *redis.Client) []string {
	t.Helper()
	keys, err := client.Keys(t.Context(), "*~lease").Result()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestOnceWakesTheOthers: a run that another replica waits for ends with a record in the log, and one that nobody waits for without.
func TestOnceWakesTheOthers(t *testing.T) {
	client := redistest.Start(t).Client()
	records := func() int64 { return client.XLen(t.Context(), "larder:invalidations").Val() }
	awaited := func() bool {
		keys := leases(t, client)
		return len(keys) == 1 && client.StrLen(t.Context(), keys[0]).Val() > int64(len("a token of 26 letters....."))
	}
	contest := true
	o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
		if contest {
			eventually(t, "the other replica waits", awaited)
		}
		says("page")(w, r)
	}}
	first, one := replicaOn(t, client, o)
	_, two := replicaOn(t, client, o)
	before := records()
	crowd(2, func(i int) { expect(t, get(t, []http.Handler{one, two}[i], "/"), http.StatusOK, "page") }).Wait()
	o.ran(t, 1)
	eventually(t, "the log grows", func() bool { return records() == before+1 })
	contest = false
	for i := range 3 {
		get(t, one, fmt.Sprintf("/%d", i))
	}
	first.background.Wait()
	if n := records() - before - 1; n != 0 || len(leases(t, client)) > 0 {
		t.Errorf("%d records for runs that nobody waited for, leases %v", n, leases(t, client))
	}
}

// TestWordInTheLogEndsThePause: those who wait look for the response, and for nothing else, when there is word in the log.
func TestWordInTheLogEndsThePause(t *testing.T) {
	server := redistest.Start(t)
	o := &origin{answer: says("page")}
	theirs, one := replicaOn(t, server.Client(), o)
	ours, two := replicaOn(t, server.Client(), o)
	get(t, two, "/warm")
	ours.background.Wait()
	x := newExchange(two.(*route), nil, request(t.Context(), "/"))
	x.key, _ = x.rt.appendKey(x.key, x.r)
	asked := server.Commands("eval") + server.Commands("set")
	found := make(chan *response)
	go func() {
		s, _ := x.watch(ours.log.Next(), time.Hour)
		found <- s
	}()
	for range 10 {
		if err := theirs.log.Wake(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(firstPause)
	}
	if n := server.Commands("eval") + server.Commands("set") - asked; n > 0 {
		t.Errorf("%d requests for the lease", n)
	}
	get(t, one, "/")
	theirs.background.Wait()
	if err := theirs.log.Wake(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := <-found; s == nil || string(s.Body) != "page" {
		t.Errorf("found %v", s)
	}
}

// tampered executes commands through, but for the first of its kind, of which it does something else.
type tampered struct {
	redis.Hook
	once   atomic.Bool
	match  func(redis.Cmder) bool
	tamper func(context.Context, redis.Cmder, redis.ProcessHook) error
}

func (h *tampered) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *tampered) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h *tampered) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if h.match(cmd) && h.once.CompareAndSwap(false, true) {
			return h.tamper(ctx, cmd, next)
		}
		return next(ctx, cmd)
	}
}

// TestLateLease: a request for the lease whose answer is late is repeated, whether Redis got it or not, instead of a run in each
// replica; and the lease is given back.
func TestLateLease(t *testing.T) {
	for name, arrives := range map[string]bool{"the request is lost": false, "the answer is late": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			client := server.Client()
			client.AddHook(&tampered{
				match: func(cmd redis.Cmder) bool {
					return cmd.Name() == "set" && len(cmd.Args()) == 6 && cmd.Args()[3] == "nx"
				},
				tamper: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
					if arrives {
						_ = next(ctx, cmd) // nobody will know
					}
					<-ctx.Done()
					return ctx.Err()
				},
			})
			o := &origin{answer: says("page")}
			c := newTestCache(t, Options{Redis: client, StoreTimeout: time.Second, Lease: 10 * time.Second})
			h := c.For(time.Hour, Once())(o)
			if !arrives { // another replica is at it
				server.Client().Set(t.Context(), "larder:example.com/()~lease", "theirs", time.Minute)
			}
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				expect(t, get(t, h, "/"), http.StatusOK, "page")
			}()
			if !arrives {
				eventually(t, "the replica waits", func() bool {
					return server.Client().Get(t.Context(), "larder:example.com/()~lease").Val() == "theirs+"
				})
				o.ran(t, 0)
				server.Client().Del(t.Context(), "larder:example.com/()~lease")
			}
			<-answered
			o.ran(t, 1)
			eventually(t, "the lease is given back", func() bool { return len(leases(t, server.Client())) == 0 })
		})
	}
}

// TestRefusedRefreshPauses: while another replica refreshes a response, its hits here do not each ask for the lease.
func TestRefusedRefreshPauses(t *testing.T) {
	server := redistest.Start(t)
	o := &origin{answer: says("page")}
	c := newTestCache(t, Options{Redis: server.Client(), StoreTimeout: 10 * time.Second, Lease: 10 * time.Second})
	h := c.For(time.Millisecond, Once(), Stale(time.Hour))(o)
	get(t, h, "/")
	time.Sleep(10 * time.Millisecond) // it is stale now
	c.background.Wait()
	server.Client().Set(t.Context(), "larder:example.com/()~lease", "theirs", time.Minute)
	before, began := server.Commands("set"), time.Now()
	for range 500 {
		expect(t, get(t, h, "/"), http.StatusOK, "page", "X-Cache", "Hit")
		time.Sleep(time.Millisecond)
	}
	most := 1 + int(time.Since(began)/refusedPause)
	if n := server.Commands("set") - before; n == 0 || n > most {
		t.Errorf("asked %d times for the lease, want one to %d", n, most)
	}
	o.ran(t, 1)
}

// TestLeaseIsGivenBackLater: a lease that Redis could not take back when the run ended does not keep others waiting until it runs out.
func TestLeaseIsGivenBackLater(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	scripts := func(rule string) {
		t.Helper()
		if err := client.Do(t.Context(), "ACL", "SETUSER", "default", rule).Err(); err != nil {
			t.Error(err)
		}
	}
	c, h := replicaOn(t, server.Client(), http.HandlerFunc(func(http.ResponseWriter, *http.Request) { scripts("-eval") }))
	get(t, h, "/")
	eventually(t, "a refusal", func() bool { return c.Stats().StoreErrors > 0 })
	c.background.Wait()
	keys := leases(t, client)
	if len(keys) != 1 || c.returning.Load() != 1 {
		t.Fatalf("leases %v, %d to be given back", keys, c.returning.Load())
	}
	client.Persist(t.Context(), keys[0]) // it does not run out
	scripts("+eval")
	eventually(t, "no lease", func() bool { return len(leases(t, client)) == 0 })
}
