package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	larder "github.com/larderhq/larder/middleware"
)

const (
	long    = time.Hour             // a lifetime that no test sees the end of
	short   = 50 * time.Millisecond // one that it does
	patient = 10 * time.Second      // how long a test polls before it says that something never happens
	largest = 8 << 20               // the default of Options.MaxBodyBytes
)

// newKey returns a key that no earlier test has used, in the form that the cache's keys have.
func newKey() string { return "storetest:shop.example/" + rand.Text() }

func mustSet(t *testing.T, s larder.Store, key string, value []byte, ttl time.Duration) {
	t.Helper()
	if err := s.Set(t.Context(), key, value, ttl); err != nil {
		t.Fatalf("Set(%.40q): %v", key, err)
	}
}

func mustHold(t *testing.T, s larder.Store, key string, want []byte) {
	t.Helper()
	switch got, err := s.Get(t.Context(), key); {
	case err != nil:
		t.Errorf("Get(%.40q): %v", key, err)
	case !bytes.Equal(got, want):
		t.Errorf("Get(%.40q) returned %d bytes %.40q, want %d bytes %.40q", key, len(got), got, len(want), want)
	}
}

func mustMiss(t *testing.T, s larder.Store, key string) {
	t.Helper()
	if got, err := s.Get(t.Context(), key); !errors.Is(err, larder.ErrMiss) {
		t.Errorf("Get(%.40q) returned %.40q and error %v, want ErrMiss", key, got, err)
	}
}

func roundTrip(t *testing.T, s larder.Store) {
	binary := make([]byte, largest)
	_, _ = rand.Read(binary) // never fails
	for _, value := range [][]byte{{}, {0}, []byte("text\r\nand a \x00 byte"), binary[:1<<10], binary[:64<<10+1], binary} {
		key := newKey()
		mustSet(t, s, key, value, long)
		mustHold(t, s, key, value)
		mustHold(t, s, key, value) // reading does not use it up
	}
}

func absent(t *testing.T, s larder.Store) {
	mustMiss(t, s, newKey())
}

func replaces(t *testing.T, s larder.Store) {
	key := newKey()
	for _, value := range []string{"first", "a second, longer one", ""} {
		mustSet(t, s, key, []byte(value), long)
		mustHold(t, s, key, []byte(value))
	}
}

// expires has no lower bound: a value may go at any time before its end, it only must not outlast it for good.
func expires(t *testing.T, s larder.Store) {
	ends, stays := newKey(), newKey()
	mustSet(t, s, stays, []byte("stays"), long)
	mustSet(t, s, ends, []byte("ends"), short)
	awaitMiss(t, s, ends)
	mustHold(t, s, stays, []byte("stays"))
}

func awaitMiss(t *testing.T, s larder.Store, key string) {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < patient; time.Sleep(short / 10) {
		_, err := s.Get(t.Context(), key)
		if errors.Is(err, larder.ErrMiss) {
			return
		}
		if err != nil {
			t.Fatalf("Get: %v", err)
		}
	}
	t.Errorf("a value set for %v is still there after %v", short, patient)
}

func newLifetime(t *testing.T, s larder.Store) {
	key, witness := newKey(), newKey()
	mustSet(t, s, key, []byte("soon gone"), short)
	mustSet(t, s, key, []byte("lives on"), long)
	mustSet(t, s, witness, []byte("gone"), 2*short)
	awaitMiss(t, s, witness)
	mustHold(t, s, key, []byte("lives on"))
}

func deletes(t *testing.T, s larder.Store) {
	keys := []string{newKey(), newKey(), newKey(), newKey()}
	for _, key := range keys[:3] {
		mustSet(t, s, key, []byte(key), long)
	}
	for _, list := range [][]string{{}, {keys[3]}, {keys[0], keys[3], keys[1]}, {keys[0], keys[0]}} {
		if err := s.Delete(t.Context(), list...); err != nil {
			t.Errorf("Delete of %d keys: %v", len(list), err)
		}
	}
	mustMiss(t, s, keys[0])
	mustMiss(t, s, keys[1])
	mustHold(t, s, keys[2], []byte(keys[2]))
}

// anyKey also takes pairs that a store might fold into one: case, a cut at a zero byte or at some length, a path that
// is cleaned.
func anyKey(t *testing.T, s larder.Store) {
	base := newKey()
	wide := base + strings.Repeat("x", 4<<10-len(base)-1)
	keys := []string{
		base, strings.ToUpper(base), base + "/", base + "//", base + "/a/../b", base + "/b", base + " ", base + "\x00", base + "\x00a",
		base + "\r\n", base + "{a}", base + "*?[a-z]", base + "é", base + "e\u0301", base + "\xff\xfe", wide + "a", wide + "b",
		base + strings.Repeat("é", 1<<10), base + strings.Repeat("\x80", 1<<10),
	}
	for _, key := range keys {
		mustSet(t, s, key, []byte(key), long)
	}
	for _, key := range keys {
		mustHold(t, s, key, []byte(key))
	}
}

// unchanged checks both directions: the store leaves the slice that it was given alone, and one that it handed out
// stays as it is whatever happens to the key.
func unchanged(t *testing.T, s larder.Store) {
	key, value := newKey(), []byte("the first value")
	mustSet(t, s, key, value, long)
	got, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	mustSet(t, s, key, []byte("another value!!"), long)
	if err := s.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	mustSet(t, s, key, []byte("yet another one"), long)
	for what, b := range map[string][]byte{"given to Set": value, "returned by Get": got} {
		if string(b) != "the first value" {
			t.Errorf("the slice %s is now %q", what, b)
		}
	}
}

func concurrent(t *testing.T, s larder.Store) {
	keys := []string{newKey(), newKey(), newKey()}
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for i := range 50 {
				if err := step(t.Context(), s, keys[(worker+i)%len(keys)], worker*i); err != nil {
					t.Errorf("worker %d: %v", worker, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// step does one of the three things with a key. Every value says what it is for, so that a mixed-up one shows.
func step(ctx context.Context, s larder.Store, key string, n int) error {
	switch n % 5 {
	case 0:
		return s.Set(ctx, key, []byte(key+strings.Repeat("=", n)), long)
	case 1:
		return s.Delete(ctx, key)
	}
	got, err := s.Get(ctx, key)
	if errors.Is(err, larder.ErrMiss) {
		return nil
	}
	if err == nil && strings.TrimRight(string(got), "=") != key {
		return fmt.Errorf("under %q is %.60q", key, got)
	}
	return err
}

// cancelled accepts any outcome but one: a call that does not come back.
func cancelled(t *testing.T, s larder.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	key := newKey()
	for what, call := range map[string]func(){
		"Set":    func() { _ = s.Set(ctx, key, []byte("v"), long) },
		"Get":    func() { _, _ = s.Get(ctx, key) },
		"Delete": func() { _ = s.Delete(ctx, key) },
	} {
		done := make(chan struct{})
		go func() { defer close(done); call() }()
		select {
		case <-done:
		case <-time.After(patient):
			t.Errorf("%s with a cancelled context does not return", what)
		}
	}
}
