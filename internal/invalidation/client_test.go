package invalidation

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larderhq/larder/internal/redistest"
)

// hook is a client's hook that does something before each command.
type hook struct{ act func(redis.Cmder) }

func (h hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.act(cmd)
		return next(ctx, cmd)
	}
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// TestPanickingClient: go-redis panics on a length that no memory holds, and a user's hook may: neither ends the process.
func TestPanickingClient(t *testing.T) {
	var panics atomic.Bool
	panics.Store(true)
	client := redistest.Start(t).Client()
	client.AddHook(hook{func(redis.Cmder) {
		if panics.Load() {
			panic("boom")
		}
	}})
	l := open(t, Config{Client: client, Lease: 200 * time.Millisecond})
	<-l.Settled()
	if _, err := l.Append(t.Context(), Record{Selector: All}); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("append: %v", err)
	}
	panics.Store(false)
	eventually(t, func() bool { return l.Pending() == 0 && l.Note().Position.Generation != 0 })
}
