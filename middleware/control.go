package middleware

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Control lets a handler say something about the entry that its response becomes. Its methods may be called concurrently, and
// do nothing where no cache is in front or the request passes it by.
type Control struct{ s *statement }

// statement is what the handler of one run has said.
type statement struct {
	by    *Cache     // whose run it is
	outer *statement // of a run that this one is part of, of any cache

	mu   sync.Mutex
	ttl  time.Duration
	skip string
	tags []string
}

type statementKey struct{}

// open makes s the statement of a run of c for a request with this context.
func (s *statement) open(request context.Context, c *Cache) {
	s.by = c
	s.outer, _ = request.Value(statementKey{}).(*statement)
}

// within reports whether a request comes from a run of this cache, as with one rule for a router and another for a route of it.
// Such a request must not wait for a run: it may be the one that it is part of.
func (c *Cache) within(ctx context.Context) bool {
	s, _ := ctx.Value(statementKey{}).(*statement)
	for s != nil && s.by != c {
		s = s.outer
	}
	return s != nil
}

// Entry returns the control over what the response to r becomes in the innermost cache that runs the handler.
func Entry(r *http.Request) Control {
	s, _ := r.Context().Value(statementKey{}).(*statement)
	return Control{s}
}

// TTL sets the lifetime, over the route's and over what the response's own fields say. Call it before the header is written.
// Zero or less means Skip.
func (c Control) TTL(d time.Duration) {
	if d <= 0 {
		c.Skip("ttl")
		return
	}
	c.change(func(s *statement) { s.ttl = min(d, OneYear) })
}

// Skip keeps the response out of the store; the reason is shown in Cache-Status and logs.
func (c Control) Skip(reason string) {
	if reason == "" {
		reason = "skip"
	}
	c.change(func(s *statement) { s.skip = reason })
}

// Tag adds tags to the entry, beside those of the route's Tags.
func (c Control) Tag(tags ...string) {
	c.change(func(s *statement) { s.tags = append(s.tags, tags...) })
}

func (c Control) change(f func(*statement)) {
	if c.s == nil {
		return
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	f(c.s)
}

// forget makes the statement as it was before the handler ran.
func (s *statement) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ttl, s.skip, s.tags = 0, "", nil
}

func (s *statement) read() (ttl time.Duration, skip string, tags []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ttl, s.skip, slices.Clone(s.tags)
}
