package redistest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// The smallest cluster that survives the loss of any one node.
const (
	primaries = 3
	hashSlots = 16384
)

// Cluster is three primaries and, behind each, one replica: Nodes[i+3] replicates Nodes[i].
type Cluster struct {
	Nodes []*Server
}

// StartCluster starts a cluster and returns when every node agrees that it serves all slots. Options go to every node.
func StartCluster(tb testing.TB, opts ...Option) *Cluster {
	tb.Helper()
	c := &Cluster{}
	for range 2 * primaries {
		c.Nodes = append(c.Nodes, Start(tb, append(opts[:len(opts):len(opts)],
			Config("cluster-enabled", "yes"), Config("cluster-node-timeout", "1000"))...))
	}
	c.assignSlots()
	c.meet()
	c.replicate()
	for _, n := range c.Nodes {
		n.await("cluster", func(ctx context.Context) error { return c.agreed(ctx, n) })
	}
	return c
}

// assignSlots also gives every node an epoch of its own, so that they need not settle a conflict first.
func (c *Cluster) assignSlots() {
	for i, n := range c.Nodes {
		n.must("CLUSTER", "SET-CONFIG-EPOCH", i+1)
		if i < primaries {
			n.must("CLUSTER", "ADDSLOTSRANGE", i*hashSlots/primaries, (i+1)*hashSlots/primaries-1)
		}
	}
}

func (c *Cluster) meet() {
	for _, n := range c.Nodes[1:] {
		c.Nodes[0].must("CLUSTER", "MEET", "127.0.0.1", n.port)
	}
}

func (c *Cluster) replicate() {
	for i, replica := range c.Nodes[primaries:] {
		id := c.Nodes[i].must("CLUSTER", "MYID")
		replica.await("replicate", func(ctx context.Context) error { // until gossip tells it of its primary
			return replica.admin.Do(ctx, "CLUSTER", "REPLICATE", id).Err()
		})
	}
}

func (c *Cluster) agreed(ctx context.Context, n *Server) error {
	info, err := n.admin.ClusterInfo(ctx).Result()
	if err != nil {
		return err
	}
	nodes, err := n.admin.ClusterNodes(ctx).Result()
	if err != nil {
		return err
	}
	if !strings.Contains(info, "cluster_state:ok") || strings.Count(nodes, "slave") != primaries {
		return errors.New(info + nodes)
	}
	if strings.Contains(nodes, "handshake") || strings.Count(nodes, "\n") != len(c.Nodes) {
		return errors.New(nodes)
	}
	return nil
}

// Addrs are the addresses of all nodes.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		addrs[i] = n.Addr()
	}
	return addrs
}

// Client returns a new cluster client with go-redis's defaults, closed when the test ends.
func (c *Cluster) Client() *redis.ClusterClient {
	return c.ClientWith(redis.ClusterOptions{})
}

// ClientWith returns a new client with the given options and the cluster's addresses, closed when the test ends.
func (c *Cluster) ClientWith(o redis.ClusterOptions) *redis.ClusterClient {
	o.Addrs = c.Addrs()
	return closed(c.Nodes[0].tb, redis.NewClusterClient(&o))
}

// must runs a command on the server's own connection.
func (s *Server) must(args ...any) string {
	s.tb.Helper()
	reply, err := s.admin.Do(context.Background(), args...).Result()
	if err != nil {
		s.tb.Fatalf("redistest: %v: %v", args, err)
	}
	return fmt.Sprint(reply)
}
