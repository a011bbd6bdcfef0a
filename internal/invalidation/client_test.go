package invalidation

import (
	"context"
	"errors"
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
	<-l.settled
	if _, err := l.Append(t.Context(), Record{Selector: All}); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("append: %v", err)
	}
	panics.Store(false)
	eventually(t, func() bool { return l.Pending() == 0 && l.Note().Position.Generation != 0 })
}

// TestSlowLog: where each append takes longer than a request may wait, a purge is settled behind it all the same, and appended twice
// at most: each time again, it would throw away anew, in every process, what was stored since.
func TestSlowLog(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	client.AddHook(hook{func(cmd redis.Cmder) {
		if strings.HasPrefix(cmd.Name(), "eval") {
			time.Sleep(50 * time.Millisecond)
		}
	}})
	l := open(t, Config{Client: client, Timeout: 10 * time.Millisecond})
	if !l.Wait(t.Context(), Position{}) {
		t.Fatal("not followed")
	}
	before := server.Commands("xadd")
	if _, err := l.Append(t.Context(), Record{Selector: All}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("append: %v", err)
	}
	eventually(t, func() bool { return l.Pending() == 0 })
	if n := server.Commands("xadd") - before; n > 2 {
		t.Errorf("appended %d times", n)
	}
}

// TestPoolSize: what bounds the connections of a client is what counts.
func TestPoolSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ size, most, want int }{{10, 0, 10}, {10, 1, 1}, {1, 10, 1}} {
		client := redis.NewClient(&redis.Options{PoolSize: tt.size, MaxActiveConns: tt.most})
		if got := poolSize(client); got != tt.want {
			t.Errorf("PoolSize %d, MaxActiveConns %d: %d", tt.size, tt.most, got)
		}
		_ = client.Close() // it never had a connection
	}
}

// TestLogThatNeverStaysTheSame: where each reply is of another log, as behind a proxy before two servers, a round ends as one that failed
// does. To begin anew at once for ever would keep both servers busy.
func TestLogThatNeverStaysTheSame(t *testing.T) {
	server := redistest.Start(t)
	plain, client := server.Client(), server.Client()
	fill := func() {
		pipe := plain.Pipeline()
		pipe.Del(t.Context(), logKey)
		for range readCount + 1 {
			pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: logKey, Values: []string{"g", formatGeneration(7)}})
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Error(err)
		}
	}
	fill()
	var changes atomic.Int64
	client.AddHook(hook{func(cmd redis.Cmder) {
		if args := cmd.Args(); strings.HasPrefix(cmd.Name(), "eval") && args[4] != "-" && changes.Load() < 10*maxScans {
			changes.Add(1)
			fill()
		}
	}})
	l := open(t, Config{Client: client, Lease: time.Minute})
	<-l.settled
	if n := changes.Load(); n != maxScans {
		t.Errorf("the round ended after %d changes, want %d", n, maxScans)
	}
}

// TestLogErasedUnderTheFirstReading: the log is followed when the log says so, whatever happened to it between two replies.
func TestLogErasedUnderTheFirstReading(t *testing.T) {
	server := redistest.Start(t)
	plain, client := server.Client(), server.Client()
	pipe := plain.Pipeline()
	for range readCount + 1 {
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: logKey, Values: []string{"g", formatGeneration(7)}})
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	erased := false
	client.AddHook(hook{func(cmd redis.Cmder) {
		if args := cmd.Args(); strings.HasPrefix(cmd.Name(), "eval") && args[4] != "-" && !erased {
			erased = true
			plain.Del(t.Context(), logKey)
		}
	}})
	l := open(t, Config{Client: client, Lease: time.Minute})
	<-l.settled
	if _, followed := l.core.tail(); !followed || !erased {
		t.Errorf("followed %v, erased %v", followed, erased)
	}
}
