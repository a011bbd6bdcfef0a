package store_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larderhq/larder/internal/store"
)

// wire stands in for the network below a client, so that a test decides when which batch is answered.
type wire struct {
	mu   sync.Mutex
	sent [][]string            // the commands of each batch, "get a"
	gate chan struct{}         // every batch waits for one receive; nil: none does
	act  func(cmd redis.Cmder) // nil: a GET brings its key
}

func (w *wire) DialHook(next redis.DialHook) redis.DialHook { return next }

func (w *wire) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error {
		w.exchange([]redis.Cmder{cmd})
		return cmd.Err()
	}
}

func (w *wire) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(_ context.Context, cmds []redis.Cmder) error {
		w.exchange(cmds)
		return nil
	}
}

func (w *wire) exchange(cmds []redis.Cmder) {
	w.mu.Lock()
	w.sent = append(w.sent, names(cmds))
	gate := w.gate
	w.mu.Unlock()
	if gate != nil {
		<-gate
	}
	for _, cmd := range cmds {
		if w.act != nil {
			w.act(cmd)
		} else if get, ok := cmd.(*redis.StringCmd); ok {
			get.SetVal(keyOf(get))
		}
	}
}

func noDial(context.Context, string, string) (net.Conn, error) { panic("dialed") }

func (w *wire) batches() [][]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}

func names(cmds []redis.Cmder) []string {
	list := make([]string, len(cmds))
	for i, cmd := range cmds {
		list[i] = cmd.Name() + " " + keyOf(cmd)
	}
	return list
}

func keyOf(cmd redis.Cmder) string {
	if p, ok := cmd.Args()[1].(*string); ok {
		return *p
	}
	return cmd.Args()[1].(string)
}

// bothKinds runs a test with a client that a caller may wait in, and with one that it may not.
func bothKinds(t *testing.T, test func(t *testing.T, open func(w *wire, limit time.Duration) store.Bytes)) {
	for _, prompt := range []bool{true, false} {
		t.Run(fmt.Sprintf("prompt=%v", prompt), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(t, func(w *wire, limit time.Duration) store.Bytes {
					client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", Dialer: noDial, ContextTimeoutEnabled: prompt})
					client.AddHook(w)
					t.Cleanup(func() { _ = client.Close() })
					return store.WithTimeout(store.NewRedis(client), limit)
				})
			})
		})
	}
}

// occupy takes all lanes.
func occupy(t *testing.T, s store.Bytes, w *wire) {
	for {
		n := len(w.batches())
		go func() { _, _ = s.Get(t.Context(), fmt.Sprintf("first:%d", n)) }()
		synctest.Wait()
		if len(w.batches()) == n {
			return // this one is queued: it is what opens the next batch
		}
	}
}

func TestLanesJoinTheNextBatch(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{gate: make(chan struct{})}
		s := open(w, time.Hour)
		occupy(t, s, w)
		early := len(w.batches())
		for i := range 30 {
			go func() {
				key := fmt.Sprint(i % 3)
				if b, err := s.Get(t.Context(), key); err != nil || string(b) != key {
					t.Errorf("under %s is %q, %v", key, b, err)
				}
			}()
		}
		go func() { must(t, s.Set(t.Context(), "1", []byte("v"), time.Minute)) }()
		go func() { must(t, s.Delete(t.Context(), "x", "y")) }()
		synctest.Wait()
		close(w.gate)
		synctest.Wait()
		sent := w.batches()
		if len(sent) != early+1 {
			t.Fatalf("sent %q", sent)
		}
		next := sent[early]
		slices.Sort(next)
		want := []string{fmt.Sprintf("get first:%d", early), "get 0", "get 1", "get 2", "set 1", "unlink x", "unlink y"}
		slices.Sort(want)
		if !slices.Equal(next, want) {
			t.Errorf("next batch is %q, want %q", next, want)
		}
	})
}

func TestLanesDoNotReadWhatIsOlder(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{gate: make(chan struct{})}
		s := open(w, time.Hour)
		go func() { _, _ = s.Get(t.Context(), "k") }()
		synctest.Wait()
		go func() { _, _ = s.Get(t.Context(), "k") }()
		synctest.Wait()
		if sent := w.batches(); len(sent) != 2 {
			t.Errorf("the second call took over the answer to %q, which was sent before it came", sent)
		}
		close(w.gate)
	})
}

func TestLanesBoundBatches(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{gate: make(chan struct{})}
		s := open(w, time.Hour)
		occupy(t, s, w)
		early := len(w.batches())
		for i := range 300 {
			go func() { _, _ = s.Get(t.Context(), fmt.Sprint(i)) }()
		}
		synctest.Wait()
		for i := range 4 {
			go func() { _ = s.Set(t.Context(), fmt.Sprint(i), make([]byte, 400<<10), time.Minute) }()
		}
		synctest.Wait()
		close(w.gate)
		synctest.Wait()
		var sizes []int
		for _, b := range w.batches()[early:] {
			sizes = append(sizes, len(b))
		}
		slices.Sort(sizes)
		if !slices.Equal(sizes, []int{2, 47, 128, 128}) { // 301 GETs, two of 400 KiB beside the last of them
			t.Errorf("batches have %v commands", sizes)
		}
	})
}

func TestLanesLearnTheSizeOfValues(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{act: func(cmd redis.Cmder) { cmd.(*redis.StringCmd).SetVal(strings.Repeat("x", 300<<10)) }}
		s := open(w, time.Hour)
		for range 50 {
			_, _ = s.Get(t.Context(), "large")
		}
		w.gate = make(chan struct{})
		occupy(t, s, w)
		early := len(w.batches())
		for i := range 8 {
			go func() { _, _ = s.Get(t.Context(), fmt.Sprint(i)) }()
		}
		synctest.Wait()
		close(w.gate)
		synctest.Wait()
		for _, b := range w.batches()[early:] {
			if len(b) > 3 {
				t.Errorf("%d values of 300 KiB in one batch", len(b))
			}
		}
	})
}

func TestLanesCallersLeaveAlone(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{gate: make(chan struct{})}
		s := open(w, time.Hour)
		occupy(t, s, w)
		ctx, cancel := context.WithCancel(t.Context())
		left, stayed := make(chan error, 1), make(chan error, 1)
		go func() { _, err := s.Get(ctx, "k"); left <- err }()
		go func() { _, err := s.Get(t.Context(), "k"); stayed <- err }()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who left: %v", err)
		}
		close(w.gate)
		if err := <-stayed; err != nil {
			t.Errorf("who stayed: %v", err)
		}
	})
}

func TestLanesDoNotSendForTheCancelled(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{}
		s := open(w, time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for what, err := range calls(ctx, s) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if sent := w.batches(); len(sent) > 0 {
			t.Errorf("sent %q", sent)
		}
	})
}

func TestLanesDoNotSendWhatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{gate: make(chan struct{})}
		s := open(w, time.Hour)
		for range 2 {
			go func() { _, _ = s.Get(t.Context(), "first") }()
			synctest.Wait()
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = s.Get(ctx, "left") }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(w.gate)
		synctest.Wait()
		if sent := fmt.Sprint(w.batches()); strings.Contains(sent, "left") {
			t.Errorf("sent %s", sent)
		}
	})
}

// TestLanesGiveUpHungClients needs the default client: in a prompt one the callers would wait themselves.
func TestLanesGiveUpHungClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", Dialer: noDial})
		defer func() { _ = client.Close() }()
		w := &wire{gate: make(chan struct{})}
		client.AddHook(w)
		s := store.WithTimeout(store.NewRedis(client), time.Second)
		var err error
		calls := 0
		for ; !errors.Is(err, store.ErrBusy) && calls < 2000; calls++ {
			begun := time.Now()
			if _, err = s.Get(t.Context(), fmt.Sprint(calls)); time.Since(begun) > time.Second {
				t.Fatalf("a call took %v", time.Since(begun))
			}
		}
		if n := len(w.batches()); n < 256 || n > 260 {
			t.Errorf("after %d calls %d hang in the client: %v", calls, n, err)
		}
		close(w.gate) // the client comes back
		synctest.Wait()
		if b, err := s.Get(t.Context(), "k"); string(b) != "k" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
	})
}

func TestLanesBoundTheQueue(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{gate: make(chan struct{})}
		s := open(w, time.Hour)
		occupy(t, s, w)
		refused := make(chan error, 200)
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 200 {
			go func() { refused <- s.Set(ctx, fmt.Sprint(i), make([]byte, 1<<20), time.Minute) }()
		}
		synctest.Wait()
		if n := len(refused); n != 200-64 {
			t.Errorf("%d of 200 refused", n)
		}
		for range len(refused) {
			if err := <-refused; !errors.Is(err, store.ErrBusy) {
				t.Errorf("refused: %v", err)
			}
		}
		cancel()
		synctest.Wait()
		go func() { refused <- s.Set(t.Context(), "k", make([]byte, 1<<20), time.Minute) }()
		synctest.Wait()
		close(w.gate) // room for it was made by those who left
		synctest.Wait()
		for range len(refused) {
			if err := <-refused; err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		}
	})
}

func TestLanesSurviveAPanickingClient(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{act: func(redis.Cmder) { panic("boom") }}
		s := open(w, time.Hour)
		for range 10 { // more than there are lanes
			if _, err := s.Get(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), "boom") {
				t.Errorf("%v", err)
			}
		}
		w.act = nil
		if b, err := s.Get(t.Context(), "k"); string(b) != "k" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
	})
}

func TestLanesSpareBatchesKeepNothing(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{}
		s := open(w, time.Hour)
		for i := range 20 {
			key := fmt.Sprint(i)
			w.act = nil
			if b, err := s.Get(t.Context(), key); string(b) != key || err != nil {
				t.Fatalf("%q, %v", b, err)
			}
			w.act = func(cmd redis.Cmder) { cmd.SetErr(redis.Nil) }
			if b, err := s.Get(t.Context(), key); !errors.Is(err, store.ErrMiss) || b != nil {
				t.Fatalf("%q, %v", b, err)
			}
			w.act = func(redis.Cmder) {}
			if b, err := s.Get(t.Context(), key); len(b) != 0 || err != nil {
				t.Fatalf("an answer that was not written is %q, %v", b, err)
			}
		}
	})
}

// TestLanesGivenUpServeWhoWaited has callers of one batch on both sides of the moment when a lane becomes free.
func TestLanesGivenUpServeWhoWaited(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		gate := make(chan struct{})
		defer close(gate)
		w := &wire{gate: gate}
		s := open(w, time.Hour)
		for range 2 {
			go func() { _, _ = s.Get(t.Context(), "hangs") }()
			synctest.Wait()
		}
		time.Sleep(59 * time.Minute)
		answered := make(chan error, 1)
		go func() { _, err := s.Get(t.Context(), "early"); answered <- err }()
		synctest.Wait()
		w.mu.Lock()
		w.gate = nil
		w.mu.Unlock()
		time.Sleep(2 * time.Minute)
		if b, err := s.Get(t.Context(), "late"); string(b) != "late" || err != nil {
			t.Errorf("who came late: %q, %v", b, err)
		}
		if err := <-answered; err != nil {
			t.Errorf("who came early: %v", err)
		}
	})
}
