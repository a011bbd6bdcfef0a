package redistest_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larderhq/larder/internal/redistest"
)

func set(t *testing.T, c redis.Cmdable, key, value string) {
	t.Helper()
	if err := c.Set(t.Context(), key, value, 0).Err(); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, c redis.Cmdable, key string) string {
	t.Helper()
	v, err := c.Get(t.Context(), key).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
	return v
}

func TestServerCountsCommands(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	c := srv.Client()
	set(t, c, "k", "v")
	for range 3 {
		get(t, c, "k")
	}
	if g, s, x := srv.Commands("GET"), srv.Commands("set"), srv.Commands("lpush"); g != 3 || s != 1 || x != 0 {
		t.Errorf("GET %d, SET %d, LPUSH %d; want 3, 1, 0", g, s, x)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts []redistest.Option
		want string
	}{
		{"forgets", nil, ""},
		{"persistent", []redistest.Option{redistest.Persist()}, "v"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := redistest.Start(t, tt.opts...)
			addr := srv.Addr()
			set(t, srv.Client(), "k", "v")
			srv.Kill()
			if c, err := net.Dial("tcp", addr); err == nil {
				_ = c.Close()
				t.Fatal("a killed server still listens")
			}
			srv.Kill() // does nothing
			srv.Restart()
			if srv.Addr() != addr {
				t.Errorf("restarted on %s, was %s", srv.Addr(), addr)
			}
			if got := get(t, srv.Client(), "k"); got != tt.want {
				t.Errorf("after a restart the value is %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	c := srv.ClientWith(redis.Options{ContextTimeoutEnabled: true, MaxRetries: -1})
	set(t, c, "k", "v")
	srv.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Get(ctx, "k").Err(); err == nil {
		t.Error("a paused server answered")
	}
	srv.Resume()
	if got := get(t, c, "k"); got != "v" {
		t.Errorf("after Resume got %q", got)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config("maxmemory-policy", "allkeys-lfu"))
	srv.Config("maxmemory", "10mb")
	got, err := srv.Client().ConfigGet(t.Context(), "maxmemory*").Result()
	if err != nil {
		t.Fatal(err)
	}
	if got["maxmemory"] != "10485760" || got["maxmemory-policy"] != "allkeys-lfu" {
		t.Errorf("configuration is %v", got)
	}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	client := c.Client()
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} { // in slots of all three
		set(t, client, key, key)
		if got := get(t, client, key); got != key {
			t.Errorf("%s = %q", key, got)
		}
	}
	for _, n := range c.Nodes[:3] {
		if n.Commands("set") == 0 {
			t.Errorf("no key went to %s", n.Addr())
		}
	}
}

func TestSentinelFailsOver(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t)
	client := s.Client()
	set(t, client, "k", "v")
	old := s.Primary()
	if old != s.Nodes[0] {
		t.Fatalf("primary is %s", old.Addr())
	}
	if n := client.Wait(t.Context(), 2, 10*time.Second).Val(); n != 2 {
		t.Fatalf("%d replicas have the value", n)
	}
	old.Kill()
	for s.Primary() == old {
		time.Sleep(50 * time.Millisecond)
	}
	for client.Set(t.Context(), "k2", "v2", 0).Err() != nil { // until the client has heard of it
		time.Sleep(50 * time.Millisecond)
	}
	if got := get(t, client, "k"); got != "v" {
		t.Errorf("after the failover got %q", got)
	}
}

// TestDiesWithTheProcess runs TestOrphan in a process of its own, which starts a server and exits without cleaning up.
func TestDiesWithTheProcess(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOrphan$", "-test.v")
	cmd.Env = append(os.Environ(), orphanEnv+"=1")
	out, _ := cmd.CombinedOutput() // it exits with 3
	_, addr, ok := strings.Cut(string(out), "addr=")
	if !ok {
		t.Fatalf("no server started:\n%s", out)
	}
	addr, _, _ = strings.Cut(addr, "\n")
	for { // the kernel's signal is not waited for by anybody
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		_ = c.Close()
	}
}

const orphanEnv = "LARDER_REDISTEST_ORPHAN"

func TestOrphan(t *testing.T) {
	if os.Getenv(orphanEnv) == "" {
		return // only the other process has something to do
	}
	_, _ = os.Stdout.WriteString("addr=" + redistest.Start(t).Addr() + "\n")
	os.Exit(3)
}
