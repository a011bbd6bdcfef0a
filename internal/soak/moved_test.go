package soak

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larderhq/larder/internal/redistest"
)

const hashSlots = 16384

// pair is a cluster of two servers, one of which has all slots.
type pair [2]*redistest.Server

func newPair(t *testing.T) pair {
	t.Helper()
	var p pair
	for i := range p {
		p[i] = redistest.Start(t, redistest.Config("cluster-enabled", "yes"),
			redistest.Config("cluster-allow-replica-migration", "no")) // a primary without slots stays one
		p.do(t, i, "CLUSTER", "SET-CONFIG-EPOCH", i+1)
	}
	p.do(t, 0, "CLUSTER", "ADDSLOTSRANGE", 0, hashSlots-1)
	p.do(t, 0, "CLUSTER", "MEET", "127.0.0.1", p[1].Port())
	for _, s := range p {
		client := s.Client()
		for !strings.Contains(client.ClusterInfo(t.Context()).Val(), "cluster_state:ok") ||
			strings.Contains(client.ClusterNodes(t.Context()).Val(), "handshake") ||
			strings.Count(client.ClusterNodes(t.Context()).Val(), "master") < len(p) {
			time.Sleep(10 * time.Millisecond)
		}
	}
	return p
}

func (p pair) do(t *testing.T, i int, args ...any) *redis.Cmd {
	t.Helper()
	client := p[i].Client()
	defer func() { _ = client.Close() }() // nothing is left to say
	cmd := client.Do(t.Context(), args...)
	if err := cmd.Err(); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return cmd
}

// move gives all slots, with what is in them, to the other server, as redis-cli does.
func (p pair) move(t *testing.T, from, to int) {
	t.Helper()
	source, target := p[from].Client(), p[to].Client()
	ids := [2]string{p.do(t, 0, "CLUSTER", "MYID").String(), p.do(t, 1, "CLUSTER", "MYID").String()}
	for i, id := range ids {
		ids[i] = id[strings.LastIndexByte(id, ' ')+1:]
	}
	each := func(client *redis.Client, args ...any) {
		t.Helper()
		pipe := client.Pipeline()
		for slot := range hashSlots {
			pipe.Do(t.Context(), append([]any{"CLUSTER", "SETSLOT", slot}, args...)...)
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	each(target, "IMPORTING", ids[from])
	each(source, "MIGRATING", ids[to]) // from now on, what is not there is asked for elsewhere: no key is added
	keys, err := source.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(p[to].Addr())
	for _, key := range keys {
		if err := source.Do(t.Context(), "MIGRATE", host, port, key, 0, 5000).Err(); err != nil {
			t.Fatal(err)
		}
	}
	each(target, "NODE", ids[to])
	each(source, "NODE", ids[to])
}

// TestMoved: the slots of a cluster go to another server under load. A client of the cluster goes with them; one that knows the
// first server only is told MOVED by it. No request of either fails, and hits come back by themselves.
func TestMoved(t *testing.T) {
	beside(t)
	servers := newPair(t)
	via := make(map[string]string)
	for _, s := range servers {
		via[s.Addr()] = newProxy(t, s).Listen
	}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, via[addr])
	}
	o := &outage{t: t}
	var plain, cluster []*side
	for name, memory := range map[string]int64{"memory": 0, "no memory": -1} {
		plain = append(plain, o.add("plain, "+name, memory, redis.NewClient(&redis.Options{Addr: servers[0].Addr(), Dialer: dial})))
		cluster = append(cluster, o.add("cluster, "+name, memory,
			redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{servers[0].Addr(), servers[1].Addr()}, Dialer: dial})))
	}
	o.allHit(o.sides...)
	ctx, stop := context.WithCancel(t.Context())
	o.load(ctx)
	time.Sleep(either(2*time.Second, 200*time.Millisecond))

	o.phase.Store(first)
	servers.move(t, 0, 1)
	o.phase.Store(phases) // until hits are back
	if err := servers[0].Client().Get(t.Context(), "any").Err(); err == nil || !strings.HasPrefix(err.Error(), "MOVED") {
		t.Errorf("the slots have not moved: %v", err)
	}
	o.awaitHits("the slots had moved", cluster)
	o.phase.Store(later)
	time.Sleep(either(5*time.Second, time.Second))
	for _, s := range plain {
		if n := s.cache.Stats().StoreErrors; n == 0 {
			t.Errorf("%s: no call failed", s.name)
		}
	}
	servers.move(t, 1, 0)
	o.phase.Store(phases)
	o.awaitHits("the slots were back", o.sides)
	stop()
	o.wg.Wait()
	for _, s := range o.sides {
		s.report(t)
	}
}
