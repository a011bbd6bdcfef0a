package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"

	"github.com/larderhq/larder/internal/store"
)

// wire is a client's hook and its network, so that a test decides when which batch is answered, and how.
type wire struct {
	mu    sync.Mutex
	sent  [][]string                           // the commands of each batch, "get a"
	gate  chan struct{}                        // every batch waits for one receive; nil: none does
	lost  bool                                 // batches are not executed, and nobody says so
	act   func()                               // in the place of executing a batch
	value func(key string) (v string, ok bool) // nil: a GET brings its key
}

func (w *wire) DialHook(redis.DialHook) redis.DialHook {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go w.serve(server)
		return client, nil
	}
}

func (w *wire) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return w.exchange([]redis.Cmder{cmd}, func() error { return next(ctx, cmd) })
	}
}

func (w *wire) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return w.exchange(cmds, func() error { return next(ctx, cmds) })
	}
}

func (w *wire) exchange(cmds []redis.Cmder, execute func() error) error {
	if name := cmds[0].Name(); name == "hello" || name == "client" { // the client's own
		return execute()
	}
	w.mu.Lock()
	w.sent = append(w.sent, names(cmds))
	gate := w.gate
	w.mu.Unlock()
	if gate != nil {
		<-gate
	}
	switch {
	case w.act != nil:
		w.act()
	case !w.lost:
		return execute()
	}
	return nil
}

// serve is the Redis at the other end. It reads on while its replies are not taken, as the client writes all of a batch first.
func (w *wire) serve(c net.Conn) {
	replies := make(chan string, 1000)
	defer close(replies)
	go func() {
		for reply := range replies {
			_, _ = io.WriteString(c, reply) // the client may be gone
		}
		_ = c.Close()
	}()
	for in := bufio.NewReader(c); ; {
		args, err := command(in)
		if err != nil {
			return
		}
		replies <- w.reply(args)
	}
}

func (w *wire) reply(args []string) string {
	switch args[0] {
	case "get":
		value, found := args[1], true
		if w.value != nil {
			value, found = w.value(args[1])
		}
		if !found {
			return "$-1\r\n"
		}
		return fmt.Sprintf("$%d\r\n%s\r\n", len(value), value)
	case "hello":
		return "-ERR unknown command\r\n"
	case "unlink":
		return ":1\r\n"
	default:
		return "+OK\r\n"
	}
}

// command reads one command as clients send it: an array of bulk strings.
func command(in *bufio.Reader) ([]string, error) {
	var n, size int
	if _, err := fmt.Fscanf(in, "*%d\r\n", &n); err != nil {
		return nil, err
	}
	args := make([]string, n)
	for i := range args {
		if _, err := fmt.Fscanf(in, "$%d\r\n", &size); err != nil {
			return nil, err
		}
		arg := make([]byte, size+2)
		if _, err := io.ReadFull(in, arg); err != nil {
			return nil, err
		}
		args[i] = string(arg[:size])
	}
	return args, nil
}

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
		return strings.Clone(*p)
	}
	return cmd.Args()[1].(string)
}

// foreign is a client that lanes know nothing of, and so never wait in.
type foreign struct{ *redis.Client }

// open returns a store on a client of a kind, which is all network it has.
func open(t *testing.T, kind string, w *wire, limit time.Duration) store.Bytes {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: kind == "heeding"})
	client.AddHook(w)
	t.Cleanup(func() { _ = client.Close() })
	if kind == "foreign" {
		return store.WithTimeout(store.NewRedis(foreign{client}), limit)
	}
	return store.WithTimeout(store.NewRedis(client), limit)
}

// allKinds runs a test with all kinds of clients: the default one, one that heeds contexts by itself, and one unknown.
func allKinds(t *testing.T, test func(t *testing.T, open func(w *wire, limit time.Duration) store.Bytes)) {
	for _, kind := range []string{"default", "heeding", "foreign"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(t, func(w *wire, limit time.Duration) store.Bytes { return open(t, kind, w, limit) })
			})
		})
	}
}

// occupy takes the lane.
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
	allKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
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

// TestLanesShareWhatIsMadeOfAValue: of those who wait for one GET, one makes something of the value, and not for who asks later.
func TestLanesShareWhatIsMadeOfAValue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{gate: make(chan struct{})}
		s := open(t, "default", w, time.Hour).(*store.Redis)
		occupy(t, s, w)
		read := func() any {
			v, err := s.Read(t.Context(), "k")
			must(t, err)
			defer v.Release()
			v.Share(new(int))
			time.Sleep(time.Millisecond) // so that all hold it
			return v.Shared()
		}
		made := make(chan any, 3)
		for range cap(made) {
			go func() { made <- read() }()
		}
		synctest.Wait()
		close(w.gate)
		first := <-made
		for range cap(made) - 1 {
			if x := <-made; x != first || x == nil {
				t.Errorf("%v, and for others %v", x, first)
			}
		}
		if x := read(); x == first {
			t.Error("it did not go with the value")
		}
	})
}

func TestLanesDoNotReadWhatIsOlder(t *testing.T) {
	t.Parallel()
	allKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{gate: make(chan struct{})}
		s := open(w, time.Hour)
		for range 2 {
			go func() { _, _ = s.Get(t.Context(), "k") }()
			synctest.Wait()
		}
		close(w.gate)
		synctest.Wait()
		if sent := w.batches(); len(sent) != 2 {
			t.Errorf("the second call took over the answer to %q, which was sent before it came", sent)
		}
	})
}

// TestLanesAreMoreWhereRedisIsFar: nobody waits long for a batch that is under way.
func TestLanesAreMoreWhereRedisIsFar(t *testing.T) {
	t.Parallel()
	allKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{gate: make(chan struct{})}
		s := open(w, time.Hour)
		for i, want := range []int{1, 1, 2, 3, 4, 4} {
			if i > 1 {
				time.Sleep(2 * time.Millisecond)
			}
			go func() { _, _ = s.Get(t.Context(), fmt.Sprint(i)) }()
			synctest.Wait()
			if n := len(w.batches()); n != want {
				t.Errorf("after %d calls %d batches are under way, want %d", i+1, n, want)
			}
		}
		close(w.gate)
	})
}

// TestLanesDoNotKeepKeys: a caller may use the memory of its key again when it has left.
func TestLanesDoNotKeepKeys(t *testing.T) {
	t.Parallel()
	allKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{gate: make(chan struct{})}
		s := open(w, time.Hour)
		occupy(t, s, w)
		ctx, cancel := context.WithCancel(t.Context())
		key := []byte("key")
		go func() { _, _ = s.Get(ctx, unsafe.String(&key[0], len(key))) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		copy(key, "xyz")
		close(w.gate)
		synctest.Wait()
		if sent := fmt.Sprint(w.batches()); !strings.Contains(sent, "get key") {
			t.Errorf("sent %s", sent)
		}
	})
}

func TestLanesBoundBatches(t *testing.T) {
	t.Parallel()
	allKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{gate: make(chan struct{})}
		s := open(w, time.Hour)
		occupy(t, s, w)
		early := len(w.batches())
		for i := range 300 {
			go func() { _, _ = s.Get(t.Context(), fmt.Sprint(i)) }()
		}
		synctest.Wait()
		for i := range 4 {
			go func() { _ = s.Set(t.Context(), fmt.Sprint(i), make([]byte, 100<<10), time.Minute) }()
		}
		synctest.Wait()
		close(w.gate)
		synctest.Wait()
		var sizes []int
		for _, b := range w.batches()[early:] {
			sizes = append(sizes, len(b))
		}
		slices.Sort(sizes)
		if !slices.Equal(sizes, []int{2, 47, 64, 64, 64, 64}) { // 301 GETs, two of 100 KiB beside the last of them
			t.Errorf("batches have %v commands", sizes)
		}
	})
}

func TestLanesLearnTheSizeOfValues(t *testing.T) {
	t.Parallel()
	allKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		large := strings.Repeat("x", 80<<10)
		w := &wire{value: func(string) (string, bool) { return large, true }}
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
				t.Errorf("%d values of 80 KiB in one batch", len(b))
			}
		}
	})
}

func TestLanesCallersLeaveAlone(t *testing.T) {
	t.Parallel()
	allKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
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
	allKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
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
	allKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{gate: make(chan struct{})}
		s := open(w, time.Hour)
		go func() { _, _ = s.Get(t.Context(), "first") }()
		synctest.Wait()
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

// TestLanesGiveUpHungClients needs a foreign client: in others the callers wait themselves.
func TestLanesGiveUpHungClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{gate: make(chan struct{})}
		s := open(t, "foreign", w, time.Second)
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
	allKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{gate: make(chan struct{})}
		s := open(w, time.Hour)
		occupy(t, s, w)
		refused := make(chan error, 300)
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 300 {
			go func() { refused <- s.Set(ctx, fmt.Sprint(i), make([]byte, 256<<10), time.Minute) }()
		}
		synctest.Wait()
		if n := len(refused); n != 300-256 {
			t.Errorf("%d of 300 refused", n)
		}
		for range len(refused) {
			if err := <-refused; !errors.Is(err, store.ErrBusy) {
				t.Errorf("refused: %v", err)
			}
		}
		cancel()
		synctest.Wait()
		go func() { refused <- s.Set(t.Context(), "k", make([]byte, 256<<10), time.Minute) }()
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
	allKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{act: func() { panic("boom") }}
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
	allKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		w := &wire{}
		s := open(w, time.Hour)
		for i := range 20 {
			key := fmt.Sprint(i)
			w.value, w.lost = nil, false
			if b, err := s.Get(t.Context(), key); string(b) != key || err != nil {
				t.Fatalf("%q, %v", b, err)
			}
			w.value = func(string) (string, bool) { return "", false }
			if b, err := s.Get(t.Context(), key); !errors.Is(err, store.ErrMiss) || b != nil {
				t.Fatalf("%q, %v", b, err)
			}
			w.lost = true
			if b, err := s.Get(t.Context(), key); len(b) != 0 || err != nil {
				t.Fatalf("an answer that was not written is %q, %v", b, err)
			}
		}
	})
}

// TestLanesGivenUpServeWhoWaited has callers of one batch on both sides of the moment when a lane becomes free.
func TestLanesGivenUpServeWhoWaited(t *testing.T) {
	t.Parallel()
	allKinds(t, func(t *testing.T, open func(*wire, time.Duration) store.Bytes) {
		gate := make(chan struct{})
		defer close(gate)
		w := &wire{gate: gate}
		s := open(w, time.Hour)
		for range 4 {
			go func() { _, _ = s.Get(t.Context(), "hangs") }()
			time.Sleep(2 * time.Millisecond)
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
