package middleware

import (
	"context"
	"sync"
	"time"
)

// runContext is the context of a run: the values of the request that began it, but a deadline of the cache's until the run
// belongs to its own client again. No context of the standard library can take a deadline back. It is a part of its run, and only
// who waits for its end costs a channel and a timer.
type runContext struct {
	request context.Context // whose values these are; nil until the run begins
	said    *statement      // the value that the cache itself looks up
	letGo   func() bool     // of the client's context; nil until handed over

	mu         sync.Mutex // guards what follows; no foreign code runs while it is held
	deadline   time.Time  // zero once handed over
	client     context.Context
	err, cause error
	done       chan struct{} // nil until somebody waits
	timer      *time.Timer   // likewise
	after      endings
	over       context.Context // where values are looked up after the end
}

// endings are functions to call at the end, by identity.
type endings map[*func()]struct{}

func (e endings) call() {
	for f := range e {
		(*f)()
	}
}

func (c *runContext) begin(request context.Context, said *statement, deadline time.Time) {
	c.request, c.said, c.deadline = request, said, deadline
}

// startAgain gives the values of another context to what follows.
func (c *runContext) startAgain(request context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.request = request
}

// Deadline is the cache's, and then the client's.
func (c *runContext) Deadline() (deadline time.Time, ok bool) {
	c.mu.Lock()
	deadline, client := c.deadline, c.client
	c.mu.Unlock()
	if client != nil {
		return client.Deadline()
	}
	return deadline, true
}

// Done is closed at the deadline, when the handler has returned, or when the client that it was handed over to is gone.
func (c *runContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watch()
	return c.done
}

// watch makes somebody see the end when it comes; c.mu is held.
func (c *runContext) watch() {
	if c.done != nil {
		return
	}
	c.done = make(chan struct{})
	switch {
	case c.err != nil:
		close(c.done)
	case c.client == nil:
		c.timer = time.AfterFunc(time.Until(c.deadline), func() { _ = c.Err() }) // which ends what is overdue
	}
}

// Err goes by the clock, as the timer may not run. It is DeadlineExceeded after the deadline, as with any context that has one.
func (c *runContext) Err() error {
	c.mu.Lock()
	var after endings
	if c.err == nil && c.client == nil && !time.Now().Before(c.deadline) {
		after = c.close(context.DeadlineExceeded, context.DeadlineExceeded)
	}
	err := c.err
	c.mu.Unlock()
	after.call()
	return err
}

// finish ends the context, once.
func (c *runContext) finish(err, cause error) {
	c.mu.Lock()
	after := c.close(err, cause)
	c.mu.Unlock()
	after.call()
}

// close is finish while c.mu is held; what it returns is to be called without.
func (c *runContext) close(err, cause error) (after endings) {
	if c.err != nil {
		return nil
	}
	c.err, c.cause = err, cause
	c.stopTimer()
	if c.done != nil {
		close(c.done)
	}
	after, c.after = c.after, nil
	return after
}

func (c *runContext) stopTimer() {
	if c.timer != nil {
		c.timer.Stop()
	}
}

// end is for when the handler has returned.
func (c *runContext) end() {
	if c.letGo != nil {
		c.letGo()
	}
	c.finish(context.Canceled, context.Canceled)
}

// handOver lifts the deadline and lets the run end with its client's context from now on. Nothing happens where it
// has not begun, has ended, or is the client's already.
func (c *runContext) handOver(client context.Context) {
	if c.request == nil || c.letGo != nil || c.Err() != nil {
		return
	}
	c.mu.Lock()
	c.client, c.deadline = client, time.Time{}
	c.stopTimer()
	c.mu.Unlock()
	c.letGo = context.AfterFunc(client, func() { c.finish(client.Err(), context.Cause(client)) })
}

// Value looks into the request's context.
func (c *runContext) Value(key any) any {
	if _, ours := key.(statementKey); ours {
		return c.said
	}
	return c.values().Value(key)
}

// values is the request's context, but for one thing: package context keeps the cause of an end among the values, and the
// request's is not the run's. It is only asked for after the end, so a context that holds the run's own is made then.
func (c *runContext) values() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		return c.request
	}
	if c.over == nil {
		over, cancel := context.WithCancelCause(context.WithoutCancel(c.request))
		cancel(c.cause)
		c.over = over
	}
	return c.over
}

// AfterFunc calls f after the end. Package context looks for this method: without it, each context that is derived from this
// one would take a goroutine. What it registers only ends the derived context, so f is called by whoever ends this one.
func (c *runContext) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f()
		return func() bool { return false }
	}
	c.watch()
	if c.after == nil {
		c.after = make(endings)
	}
	c.after[&f] = struct{}{}
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, waiting := c.after[&f]
		delete(c.after, &f)
		return waiting
	}
}
