package middleware

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fragile is a byte store that fails as a test tells it to.
type fragile struct {
	mu      sync.Mutex
	values  map[string][]byte
	getErr  error
	setErr  error
	takes   time.Duration // each call, whatever its context says
	gets    atomic.Int64
	sets    atomic.Int64
	hold    chan struct{} // not nil: Set waits for it
	running atomic.Int64
}

func (f *fragile) begin(n *atomic.Int64) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	n.Add(1)
	return f.takes
}

func (f *fragile) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fragile) Get(_ context.Context, key string) ([]byte, error) {
	time.Sleep(f.begin(&f.gets))
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.getErr != nil {
		return nil, f.getErr
	}
	if v, ok := f.values[key]; ok {
		return v, nil
	}
	return nil, fmt.Errorf("fragile: %w", ErrMiss)
}

func (f *fragile) Set(ctx context.Context, key string, value []byte, _ time.Duration) error {
	f.running.Add(1)
	defer f.running.Add(-1)
	time.Sleep(f.begin(&f.sets))
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.setErr == nil {
		if f.values == nil {
			f.values = make(map[string][]byte)
		}
		f.values[key] = value
	}
	return f.setErr
}

func (f *fragile) Delete(_ context.Context, keys ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range keys {
		delete(f.values, key)
	}
	return f.setErr
}

// TestStoreFails: no request notices; after three failures the store is asked once a second, until it is well; and the log has
// one line for each change.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, log := new(fragile), new(records)
		cache := newTestCache(t, Options{Store: f, MemoryBytes: -1, Logger: slog.New(log)})
		h := cache.For(time.Hour)(&origin{answer: says("hello")})
		get(t, h, "/")
		expect(t, get(t, h, "/"), http.StatusOK, "hello", "X-Cache", "Hit")
		f.set(func() { f.getErr, f.setErr = errTest, errTest })
		before := f.gets.Load()
		for range 100 { // ten seconds
			expect(t, get(t, h, "/"), http.StatusOK, "hello", "X-Cache", "Miss")
			time.Sleep(100 * time.Millisecond)
		}
		if n := f.gets.Load() - before; n > breakerFailures+10 {
			t.Errorf("%d calls while the store was down", n)
		}
		f.set(func() { f.getErr, f.setErr = nil, nil })
		time.Sleep(breakerProbe)
		for range 3 {
			get(t, h, "/")
			time.Sleep(breakerProbe)
		}
		expect(t, get(t, h, "/"), http.StatusOK, "hello", "X-Cache", "Hit")
		if lost, back := len(log.matching("store lost")), len(log.matching("store is back")); lost != 1 || back != 1 {
			t.Errorf("logged %q", log.list)
		}
	})
}

// TestOnlyWritesFail: a store that still answers reads (out of memory, read-only) is lost and found once, not at each request.
func TestOnlyWritesFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, log := new(fragile), new(records)
		cache := newTestCache(t, Options{Store: f, MemoryBytes: -1, Logger: slog.New(log)})
		h := cache.For(time.Minute)(&origin{answer: says("hello")})
		get(t, h, "/kept")
		f.set(func() { f.setErr = errTest })
		for i := range 100 {
			expect(t, get(t, h, "/"+strconv.Itoa(i)), http.StatusOK, "hello", "X-Cache", "Miss")
			expect(t, get(t, h, "/kept"), http.StatusOK, "hello", "X-Cache", "Hit")
			time.Sleep(100 * time.Millisecond)
		}
		f.set(func() { f.setErr = nil })
		time.Sleep(breakerProbe)
		get(t, h, "/again")
		synctest.Wait()
		if lost, back := len(log.matching("store lost")), len(log.matching("store is back")); lost != 1 || back != 1 {
			t.Errorf("logged %q", log.list)
		}
		if s := cache.Stats(); s.Dropped == 0 || s.StoreErrors == 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestStoreHangs: a store that ignores contexts costs a request its time-out, once, however many keys it has to look for; when
// the breaker has opened it costs nothing.
func TestStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fragile)
		cache := newTestCache(t, Options{Store: f, StoreTimeout: 100 * time.Millisecond, MemoryBytes: -1})
		h := cache.For(time.Hour)(&origin{answer: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", "Accept")
			_, _ = io.WriteString(w, r.Header.Get("Accept"))
		}})
		get(t, h, "/", "Accept", "a/a")
		f.set(func() { f.takes = time.Minute })
		for i := range 50 {
			began := time.Now()
			expect(t, get(t, h, "/", "Accept", "a/"+strconv.Itoa(i)), http.StatusOK, "a/"+strconv.Itoa(i))
			limit := time.Duration(0)
			if i < breakerFailures {
				limit = 100*time.Millisecond + storeGrace
			}
			if took := time.Since(began); took > limit {
				t.Errorf("request %d took %v", i, took)
			}
		}
		time.Sleep(time.Hour)
	})
}

// TestStoreIsSlow: one that answers within its time-out, but only just, must not cost that for each key that is looked for.
func TestStoreIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fragile)
		cache := newTestCache(t, Options{Store: f, StoreTimeout: 100 * time.Millisecond, MemoryBytes: -1})
		h := cache.For(time.Hour)(&origin{answer: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Vary", "Accept") }})
		get(t, h, "/", "Accept", "a/a")
		f.set(func() { f.takes = 90 * time.Millisecond })
		began := time.Now()
		get(t, h, "/", "Accept", "a/b")
		if took := time.Since(began); took > 100*time.Millisecond+storeGrace {
			t.Errorf("took %v", took)
		}
		time.Sleep(time.Hour)
	})
}

// TestImpatientClientsAreNotTheStoresFault: requests whose own time is over must not open the breaker for the others.
func TestImpatientClientsAreNotTheStoresFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fragile)
		cache := newTestCache(t, Options{Store: f, MemoryBytes: -1})
		h := cache.For(time.Hour)(&origin{answer: says("hello")})
		get(t, h, "/kept")
		f.set(func() { f.takes = 50 * time.Millisecond })
		for range 2 * breakerFailures {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			h.ServeHTTP(httptest.NewRecorder(), request(ctx, "/impatient"))
			cancel()
		}
		expect(t, get(t, h, "/kept"), http.StatusOK, "hello", "X-Cache", "Hit")
		if s := cache.Stats(); s.StoreErrors != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestHungStoreAndImpatientClients: where no client waits as long as the store may take, the breaker must open all the same.
func TestHungStoreAndImpatientClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fragile{takes: time.Hour}
		h := newTestCache(t, Options{Store: f, MemoryBytes: -1}).For(time.Hour)(&origin{answer: says("hello")})
		for i := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			h.ServeHTTP(httptest.NewRecorder(), request(ctx, "/"+strconv.Itoa(i)))
			cancel()
		}
		if n := f.gets.Load(); n != breakerFailures {
			t.Errorf("%d calls", n)
		}
		time.Sleep(2 * time.Hour)
	})
}

// TestWritesGoBehindTheResponse: a slow store delays no client, what is on its way to it hits already, and what the queue does
// not take, in number or in bytes, is dropped and counted.
func TestWritesGoBehindTheResponse(t *testing.T) {
	for _, test := range []struct {
		memory                int64
		size, writes, dropped int
	}{
		{-1, 10, writeQueue + 200, 199},
		{-1, 1 << 20, 70, 6},
		{128 << 20, 1 << 20, 70, 62}, // a sixteenth of the budget, and no more
		{1, 1 << 20, 70, 69},         // one always fits
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fragile{hold: make(chan struct{})}
			// The bodies may all be in the making at once, so that only the queue drops any.
			cache := newTestCache(t, Options{Store: f, StoreTimeout: time.Hour, MemoryBytes: test.memory, MaxBodyBytes: 2 * writeQueueBytes})
			body := strings.Repeat("x", test.size)
			h := cache.For(time.Hour)(&origin{answer: says(body)})
			began := time.Now()
			crowd(test.writes, func(i int) { get(t, h, "/"+strconv.Itoa(i)) }).Wait()
			if took := time.Since(began); took > storeGrace {
				t.Errorf("took %v", took)
			}
			if n := int(cache.Stats().Dropped); n < test.dropped || n > test.dropped+2 {
				t.Errorf("%d dropped, want %d or a few more", n, test.dropped)
			}
			if f.running.Load() != 1 {
				t.Errorf("%d writes at a time", f.running.Load())
			}
			misses, dropped := cache.Stats().Misses, cache.Stats().Dropped
			crowd(test.writes, func(i int) { get(t, h, "/"+strconv.Itoa(i)) }).Wait()
			if n := cache.Stats().Misses - misses; n > dropped {
				t.Errorf("%d misses, though the others were on their way", n)
			}
			close(f.hold)
			synctest.Wait()
			if n := cache.tiers.remote.size; n != 0 {
				t.Errorf("%d bytes in an empty queue", n)
			}
		})
	}
}

// TestUnreadableEntry: whatever is found under a key that is not its entry is a miss, and is overwritten.
func TestUnreadableEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, log := new(fragile), new(records)
		cache := newTestCache(t, Options{Store: f, MemoryBytes: -1, Logger: slog.New(log)})
		h := cache.For(time.Hour)(&origin{answer: says("hello")})
		get(t, h, "/")
		synctest.Wait()
		const key = "larder:example.com/()"
		good := f.values[key]
		flipped := append([]byte(nil), good...)
		flipped[len(flipped)/2] ^= 1
		for i, bad := range [][]byte{nil, []byte("garbage"), good[:len(good)-1], flipped, append(append([]byte(nil), good...), 0)} {
			f.set(func() { f.values[key] = bad })
			expect(t, get(t, h, "/"), http.StatusOK, "hello", "X-Cache", "Miss")
			synctest.Wait()
			expect(t, get(t, h, "/"), http.StatusOK, "hello", "X-Cache", "Hit")
			if n := cache.Stats().Corrupt; n != int64(i)+1 {
				t.Errorf("%d counted after %d", n, i+1)
			}
			if n := len(log.matching("unreadable")); n != 1+i/4 {
				t.Errorf("logged %d times after %d", n, i+1)
			}
			time.Sleep(unreadableEvery / 4)
		}
	})
}
