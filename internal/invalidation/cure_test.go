package invalidation

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/larderhq/larder/internal/redistest"
)

// TestLossNamesItsCure: what cannot work says in its only line what to change.
func TestLossNamesItsCure(t *testing.T) {
	t.Parallel()
	plain := redistest.Start(t)
	for name, tt := range map[string]struct {
		server *redistest.Server
		client redis.UniversalClient
		cure   string
	}{
		"a replica":   {redistest.Start(t, redistest.Config("replicaof", "127.0.0.1", "1")), nil, "primary"},
		"no scripts":  {redistest.Start(t, redistest.Config("rename-command", "EVALSHA", "")), nil, "command"},
		"no password": {redistest.Start(t, redistest.Config("user", "default", "on", "nopass", "~*", "-@all", "+ping")), nil, "rights"},
		"a cluster":   {redistest.StartCluster(t).Nodes[0], nil, "NewClusterClient"},
		"no cluster":  {plain, redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{plain.Addr()}}), "NewClient"},
	} {
		client := tt.client
		if client == nil {
			client = tt.server.Client()
		} else {
			defer func() { _ = client.Close() }() // nothing is left to say
		}
		var text bytes.Buffer
		l := open(t, Config{Client: client, Prefix: "{a}", Logger: slog.New(slog.NewTextHandler(&text, nil))})
		eventually(t, func() bool { return l.failures.Load() > 0 })
		l.Close() // which waits for the line
		if line, _, _ := strings.Cut(text.String(), "\n"); !strings.Contains(line, "out of reach") || !strings.Contains(line, "cure=") || !strings.Contains(line, tt.cure) {
			t.Errorf("%s: logged %s", name, text.String())
		}
	}
}

func TestCure(t *testing.T) {
	t.Parallel()
	for text, known := range map[string]bool{
		"dial tcp 127.0.0.1:6379: connect: connection refused":          false,
		"store: redis set: OOM command not allowed when used memory":    true,
		"redis: connection pool timeout":                                true,
		"WRONGTYPE Operation against a key script: ab, on @user_script": true,
	} {
		if got := Cure(errors.New(text)); got.Equal(slog.Attr{}) == known {
			t.Errorf("%q: %v", text, got)
		}
	}
	if Cure(context.DeadlineExceeded).Value.String() != unanswered {
		t.Error("no cure for no answer")
	}
}
