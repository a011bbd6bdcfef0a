package store_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larderhq/larder/internal/store"
)

// scripted is a store whose calls do what a test says.
type scripted struct{ do func(context.Context) error }

func (s *scripted) Get(ctx context.Context, key string) ([]byte, error) {
	return []byte(key), s.do(ctx)
}

func (s *scripted) Set(ctx context.Context, _ string, _ []byte, _ time.Duration) error {
	return s.do(ctx)
}

func (s *scripted) Delete(ctx context.Context, _ ...string) error { return s.do(ctx) }

func TestTimeoutLetsPromptCallsThrough(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, want := range []error{nil, boom, store.ErrMiss} {
		s := store.WithTimeout(&scripted{func(context.Context) error { return want }}, time.Hour)
		for what, err := range calls(t.Context(), s) {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
	}
	s := store.WithTimeout(&scripted{func(context.Context) error { return nil }}, time.Hour)
	if b, err := s.Get(t.Context(), "k"); string(b) != "k" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

func TestTimeoutEndsCallsThatIgnoreTheirContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := store.WithTimeout(&scripted{func(context.Context) error { <-release; return nil }}, time.Second)
		begun := time.Now()
		for what, err := range calls(t.Context(), s) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if d := time.Since(begun); d != 3*time.Second {
			t.Errorf("three calls took %v", d)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		if _, err := s.Get(ctx, "k"); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled by the caller: %v", err)
		}
		close(release)
	})
}

func TestTimeoutTellsTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var deadline time.Time
		s := store.WithTimeout(&scripted{func(ctx context.Context) error { deadline, _ = ctx.Deadline(); return nil }}, time.Second)
		_, _ = s.Get(t.Context(), "k")
		if want := time.Now().Add(time.Second); !deadline.Equal(want) {
			t.Errorf("deadline is %v, want %v", deadline, want)
		}
	})
}

func TestTimeoutBoundsHangingCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var entered atomic.Int32
		s := store.WithTimeout(&scripted{func(context.Context) error { entered.Add(1); <-release; return nil }}, time.Second)
		var last error
		for range 1000 {
			_, last = s.Get(t.Context(), "k")
		}
		if !errors.Is(last, store.ErrBusy) || entered.Load() != 256 {
			t.Errorf("%d calls hang, the last one: %v", entered.Load(), last)
		}
		close(release)
		synctest.Wait()
		if _, err := s.Get(t.Context(), "k"); err != nil {
			t.Errorf("after they came back: %v", err)
		}
	})
}

func TestTimeoutRecoversPanics(t *testing.T) {
	t.Parallel()
	s := store.WithTimeout(&scripted{func(context.Context) error { panic("boom") }}, time.Hour)
	for what, err := range calls(t.Context(), s) {
		if err == nil || !strings.Contains(err.Error(), "boom") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
