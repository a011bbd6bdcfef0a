package fleet

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
)

// storeTimeout is more than the default, since the quick run shares few cores with other tests.
const storeTimeout = 250 * time.Millisecond

// fleet is replicas of the service, the servers they share, and the database behind them.
type fleet struct {
	t        *testing.T
	database *database
	servers  []*redistest.Server // those that hold data
	replicas []*replica
	fresh    atomic.Int64 // items that nobody asked for yet
}

// start starts n replicas on a backend; proxied are the addresses that their clients may dial.
func start(t *testing.T, n int, b backend, proxied []string, servers ...*redistest.Server) *fleet {
	t.Helper()
	f := &fleet{t: t, database: newDatabase(t), servers: servers}
	t.Cleanup(f.checkRights)
	s := settings{Redis: b, Database: f.database.url, Lease: lease(), Timeout: storeTimeout}
	for range n {
		f.replicas = append(f.replicas, newReplica(t, s, proxied))
	}
	return f
}

// checkRights fails the test if the replicas tried what their user may not, but for giving the client's name: a server that knows
// no such command, as Redis before 7.2, takes no user with the right to it.
func (f *fleet) checkRights() {
	for _, s := range f.servers {
		denied, err := s.Client().ACLLog(context.Background(), 100).Result()
		if err != nil {
			continue // it was killed and not started again
		}
		for _, d := range denied {
			if d.Object == "client|setinfo" {
				continue
			}
			f.t.Errorf("the rights of the user do not allow %s (%s, %d times)", d.Object, d.Reason, d.Count)
		}
	}
}

// awaitSharing returns when what any replica stores is a hit for the next one.
func (f *fleet) awaitSharing() {
	f.t.Helper()
	for i := range f.replicas {
		shared := false
		for !shared {
			shared = f.shares(f.replicas[i], f.replicas[(i+1)%len(f.replicas)])
		}
	}
}

// shares asks two replicas, one after the other, for an item that is new to both.
func (f *fleet) shares(first, second *replica) bool {
	path := fmt.Sprintf("/once/fresh-%d", f.fresh.Add(1))
	var cache string
	first.use(func(p *process) {
		if _, _, err := p.get(path); err != nil {
			f.t.Fatal(err)
		}
	})
	time.Sleep(20 * time.Millisecond) // Redis is written behind the response.
	second.use(func(p *process) {
		var err error
		if _, cache, err = p.get(path); err != nil {
			f.t.Fatal(err)
		}
	})
	return cache == "Hit"
}
