package middleware

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

type textKey string

// runOf is the context of a run of a minute, and its client's.
type runOf struct {
	*runContext
	client context.Context
	leave  context.CancelCauseFunc
}

func startRun(t *testing.T) runOf {
	t.Helper()
	client, leave := context.WithCancelCause(context.WithValue(t.Context(), textKey("user"), "1"))
	c := new(runContext)
	c.begin(client, new(statement), time.Now().Add(time.Minute))
	t.Cleanup(func() { c.end(); leave(nil) })
	return runOf{c, client, leave}
}

// derivations are ways to make a context from another that ends with it, and not before.
func derivations(t *testing.T) map[string]func(context.Context) context.Context {
	return map[string]func(context.Context) context.Context{
		"itself":     func(c context.Context) context.Context { return c },
		"WithValue":  func(c context.Context) context.Context { return context.WithValue(c, textKey("a"), "b") },
		"WithCancel": func(c context.Context) context.Context { return cleanedUp(t)(context.WithCancel(c)) },
		"WithTimeout": func(c context.Context) context.Context {
			return cleanedUp(t)(context.WithTimeout(c, time.Hour))
		},
		"twice": func(c context.Context) context.Context {
			return cleanedUp(t)(context.WithCancel(cleanedUp(t)(context.WithCancel(c))))
		},
	}
}

func cleanedUp(t *testing.T) func(context.Context, context.CancelFunc) context.Context {
	return func(c context.Context, cancel context.CancelFunc) context.Context {
		t.Cleanup(cancel)
		return c
	}
}

// ended fails unless the context has ended like that. It asks for Done first or last, as both must see the end.
func ended(c context.Context, t *testing.T, doneFirst bool, err, cause error) {
	t.Helper()
	if doneFirst {
		select {
		case <-c.Done():
		default:
			t.Error("Done is open")
		}
	}
	if !errors.Is(c.Err(), err) || !errors.Is(context.Cause(c), cause) {
		t.Errorf("error %v, cause %v; want %v, %v", c.Err(), context.Cause(c), err, cause)
	}
	<-c.Done()
}

// TestRunContextEnds: however a run ends, its context and those derived from it say so, in every way of asking.
func TestRunContextEnds(t *testing.T) {
	gone := errors.New("gone")
	ways := map[string]struct {
		happens    func(runOf)
		err, cause error
	}{
		"deadline":              {func(runOf) { time.Sleep(time.Minute) }, context.DeadlineExceeded, context.DeadlineExceeded},
		"deadline, client gone": {func(r runOf) { r.leave(gone); time.Sleep(time.Minute) }, context.DeadlineExceeded, context.DeadlineExceeded},
		"handler returned":      {func(r runOf) { r.end() }, context.Canceled, context.Canceled},
		"client of its own":     {func(r runOf) { r.handOver(r.client); r.leave(gone) }, context.Canceled, gone},
		"nobody wants it":       {func(r runOf) { r.finish(context.Canceled, gone) }, context.Canceled, gone},
	}
	for name, way := range ways {
		for how := range derivations(t) {
			for _, doneFirst := range []bool{true, false} {
				t.Run(name+"/"+how, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						r := startRun(t)
						d := derivations(t)[how](r.runContext)
						if d.Err() != nil {
							t.Fatalf("ended at once: %v", d.Err())
						}
						if doneFirst {
							_ = d.Done() // somebody waits from the start
						}
						way.happens(r)
						synctest.Wait()
						ended(d, t, doneFirst, way.err, way.cause)
					})
				})
			}
		}
	}
}

// TestRunContextDeadline: the client's end does not count, to the nanosecond, until the run is handed over; then nothing else does.
func TestRunContextDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startRun(t)
		c.leave(nil)
		if at, ok := c.Deadline(); !ok || time.Until(at) != time.Minute {
			t.Errorf("deadline in %v", time.Until(at))
		}
		time.Sleep(time.Minute - 1)
		if c.Err() != nil {
			t.Errorf("ended early: %v", c.Err())
		}
		time.Sleep(time.Nanosecond)
		ended(c, t, false, context.DeadlineExceeded, context.DeadlineExceeded)
	})
	synctest.Test(t, func(t *testing.T) {
		c := startRun(t)
		_ = c.Done()
		c.end()
		if c.timer.Stop() {
			t.Error("the timer runs on after the end")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := startRun(t)
		<-c.Done()
		if took := time.Since(began); took != time.Minute {
			t.Errorf("Done after %v", took)
		}
	})
}

// TestRunContextHandedOver: the deadline is lifted, also where somebody waited for it, and the client's own counts.
func TestRunContextHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startRun(t)
		derived := cleanedUp(t)(context.WithCancel(c))
		client := cleanedUp(t)(context.WithTimeout(t.Context(), time.Hour))
		c.handOver(client)
		c.handOver(t.Context()) // once is enough
		if c.timer.Stop() {
			t.Error("the timer ran on")
		}
		if at, _ := c.Deadline(); time.Until(at) != time.Hour {
			t.Errorf("deadline in %v", time.Until(at))
		}
		time.Sleep(time.Hour - 1)
		if c.Err() != nil || derived.Err() != nil {
			t.Errorf("ended early: %v, %v", c.Err(), derived.Err())
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		ended(c, t, true, context.DeadlineExceeded, context.DeadlineExceeded)
		ended(derived, t, true, context.DeadlineExceeded, context.DeadlineExceeded)
	})
	synctest.Test(t, func(t *testing.T) {
		c := startRun(t)
		time.Sleep(time.Minute)
		c.handOver(c.client) // too late, though nobody has asked yet
		ended(c, t, false, context.DeadlineExceeded, context.DeadlineExceeded)
	})
}

// TestRunContextAfterFunc: functions run once, unless they are stopped, and at once where it is too late.
func TestRunContextAfterFunc(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startRun(t)
		var calls atomic.Int64
		count := func() { calls.Add(1) }
		stopped, _ := context.AfterFunc(c, count), context.AfterFunc(c, count)
		if !stopped() || stopped() {
			t.Error("a function is not stopped once")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if calls.Load() != 1 {
			t.Errorf("%d calls", calls.Load())
		}
		if late := c.AfterFunc(count); late() {
			t.Error("what runs can be stopped")
		}
		c.end()
		synctest.Wait()
		if calls.Load() != 2 {
			t.Errorf("%d calls", calls.Load())
		}
	})
}

// TestRunContextValues: the request's, before and after the end, and the statement of the run.
func TestRunContextValues(t *testing.T) {
	c := startRun(t)
	check := func() {
		t.Helper()
		if got := c.Value(textKey("user")); got != "1" {
			t.Errorf("got %v", got)
		}
		if got := c.Value(statementKey{}); got != c.said {
			t.Errorf("statement %v", got)
		}
	}
	check()
	c.end()
	check()
}

// TestRunContextTakesNoGoroutines: neither those who derive contexts from it, nor those who leave them behind.
func TestRunContextTakesNoGoroutines(t *testing.T) {
	const derived = 1000
	c := startRun(t)
	before := runtime.NumGoroutine()
	for i := range derived {
		d := cleanedUp(t)(context.WithCancel(c))
		if i == derived/2 {
			c.handOver(c.client)
		}
		if i%2 == 0 {
			_ = d.Done()
		}
	}
	if more := runtime.NumGoroutine() - before; more > derived/10 {
		t.Errorf("%d goroutines", more)
	}
	forgotten, forget := context.WithCancel(c)
	watched := len(c.after)
	forget()
	if len(c.after) != watched-1 || forgotten.Err() == nil {
		t.Errorf("%d of %d functions are left after one was forgotten", len(c.after), watched)
	}
}

// TestRunContextIsShared: all methods at once, while the run ends in any way.
func TestRunContextIsShared(t *testing.T) {
	for i := range 50 {
		synctest.Test(t, func(t *testing.T) {
			c := startRun(t)
			var users sync.WaitGroup
			for range 8 {
				users.Go(func() {
					d, cancel := context.WithCancel(c)
					defer cancel()
					defer context.AfterFunc(c, func() {})()
					for c.Err() == nil {
						_, _ = c.Deadline()
						_ = c.Value(textKey("user"))
						time.Sleep(time.Second)
					}
					<-d.Done()
					_ = context.Cause(c)
				})
			}
			time.Sleep(time.Minute - time.Duration(i%2))
			switch i % 4 {
			case 0, 1:
				c.handOver(c.client)
				c.leave(nil)
			case 2:
				c.end()
			}
			users.Wait()
		})
	}
}
