package redistest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// primaryName is what the sentinels call the primary that they watch.
const primaryName = "larder"

// Sentinel is a primary, two replicas, and three sentinels that promote a replica within seconds of the primary's end.
type Sentinel struct {
	Nodes     []*Server // Nodes[0] is the primary at the start
	Sentinels []*Server
}

// StartSentinel starts all of them and returns when each sentinel knows every replica and the other sentinels.
// Options go to the primary and the replicas.
func StartSentinel(tb testing.TB, opts ...Option) *Sentinel {
	tb.Helper()
	s := &Sentinel{Nodes: []*Server{Start(tb, opts...)}}
	primary := s.Nodes[0]
	for range 2 {
		follow := Config("replicaof", "127.0.0.1", strconv.Itoa(primary.port))
		replica := Start(tb, append(opts[:len(opts):len(opts)], follow)...)
		replica.await("replication", replica.linked)
		s.Nodes = append(s.Nodes, replica)
	}
	for range 3 {
		s.Sentinels = append(s.Sentinels, startSentinel(tb, primary.port))
	}
	for _, n := range s.Sentinels {
		n.await("sentinels", n.knowsAll)
	}
	return s
}

func startSentinel(tb testing.TB, primary int) *Server {
	tb.Helper()
	n := newServer(tb)
	n.scheme = []string{"--sentinel"}
	n.config = []string{
		"bind 127.0.0.1", "port " + strconv.Itoa(n.port), "dir " + quote(n.dir), "logfile " + quote(n.logPath()),
		fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", primaryName, primary),
		"sentinel down-after-milliseconds " + primaryName + " 500",
		"sentinel failover-timeout " + primaryName + " 3000",
	}
	n.launch()
	return n
}

func (s *Server) linked(ctx context.Context) error {
	info, err := s.admin.Info(ctx, "replication").Result()
	if err != nil {
		return err
	}
	if !strings.Contains(info, "master_link_status:up") {
		return errors.New(info)
	}
	return nil
}

func (s *Server) knowsAll(ctx context.Context) error {
	state, err := s.admin.Do(ctx, "SENTINEL", "MASTER", primaryName).Result()
	if err != nil {
		return err
	}
	text := fmt.Sprint(state) // a list or, over RESP3, a map: "num-slaves 2" or "num-slaves:2"
	text = strings.ReplaceAll(text, ":", " ")
	if !strings.Contains(text, "num-slaves 2") || !strings.Contains(text, "num-other-sentinels 2") {
		return errors.New(text)
	}
	return nil
}

// Primary is the server that the sentinels say is the primary now.
func (s *Sentinel) Primary() *Server {
	var found *Server
	first := s.Sentinels[0]
	first.await("primary", func(ctx context.Context) error {
		addr, err := first.admin.Do(ctx, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", primaryName).StringSlice()
		if err != nil {
			return err
		}
		for _, n := range s.Nodes {
			if strings.Join(addr, ":") == n.Addr() {
				found = n
				return nil
			}
		}
		return fmt.Errorf("unknown primary %v", addr)
	})
	return found
}

// Addrs are the addresses of the sentinels.
func (s *Sentinel) Addrs() []string {
	addrs := make([]string, len(s.Sentinels))
	for i, n := range s.Sentinels {
		addrs[i] = n.Addr()
	}
	return addrs
}

// PrimaryName is the name to ask the sentinels for.
func (*Sentinel) PrimaryName() string { return primaryName }

// Client returns a new client that follows the primary, closed when the test ends.
func (s *Sentinel) Client() *redis.Client {
	return s.ClientWith(redis.FailoverOptions{})
}

// ClientWith returns a new client with the given options that follows the primary, closed when the test ends.
func (s *Sentinel) ClientWith(o redis.FailoverOptions) *redis.Client {
	o.MasterName, o.SentinelAddrs = primaryName, s.Addrs()
	return closed(s.Sentinels[0].tb, redis.NewFailoverClient(&o))
}
