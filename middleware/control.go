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
	mu   sync.Mutex
	ttl  time.Duration
	skip string
	tags []string
}

type statementKey struct{}

func withStatement(ctx context.Context, s *statement) context.Context {
	return context.WithValue(ctx, statementKey{}, s)
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

func (s *statement) read() (ttl time.Duration, skip string, tags []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ttl, s.skip, slices.Clone(s.tags)
}
