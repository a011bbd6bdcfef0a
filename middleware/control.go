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
	by     *Cache     // whose run it is
	outer  *statement // of a run that this one is part of, of any cache
	masked bool       // credentials were taken from the request of this run, or of an outer one

	mu       sync.Mutex
	ttl      time.Duration
	skip     string
	tags     []string
	personal bool     // a route inside keeps an entry for each user
	vary     []string // request fields that routes inside split by
}

type statementKey struct{}

// around is the statement of the innermost run that a context belongs to, or nil.
func around(ctx context.Context) *statement {
	s, _ := ctx.Value(statementKey{}).(*statement)
	return s
}

// open makes s the statement of a run of rt for a request with this context.
func (s *statement) open(request context.Context, rt *route) {
	s.by = rt.c
	s.outer = around(request)
	s.masked = s.masked || s.outer != nil && s.outer.masked
	s.outer.all(rt.tell)
}

// within reports whether a request comes from a run of this cache, as with one rule for a router and another for a route of it.
// Such a request must not wait for a run: it may be the one that it is part of.
func (c *Cache) within(ctx context.Context) bool {
	s := around(ctx)
	for s != nil && s.by != c {
		s = s.outer
	}
	return s != nil
}

// tellAround lets the runs of caches around this route know what it tells apart: a response that it does not store goes through it as
// the handler made it, without the private or the Vary that would say so.
func (r *rules) tellAround(ctx context.Context) {
	if r.user != nil || len(r.vary) > 0 {
		around(ctx).all(r.tell)
	}
}

func (r *rules) tell(s *statement) {
	s.personal = s.personal || r.user != nil
	s.vary = append(s.vary, r.vary...)
}

// all lets f change the statement and those of the runs that its run is part of.
func (s *statement) all(f func(*statement)) {
	for ; s != nil; s = s.outer {
		s.mu.Lock()
		f(s)
		s.mu.Unlock()
	}
}

// apart is what routes inside tell apart.
func (s *statement) apart() (personal bool, vary []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.personal, s.vary
}

// masked reports whether a cache around this route refreshes in the name of somebody whose credentials it has taken away: what the
// handler answers may be his all the same, by the word of an outer middleware, and nothing here shows it.
func (x *exchange) masked() bool {
	if x.rt.public || x.rt.user != nil {
		return false
	}
	s := around(x.r.Context())
	return s != nil && s.masked
}

// Entry returns the control over what the response to r becomes in the innermost cache that runs the handler.
func Entry(r *http.Request) Control { return EntryFromContext(r.Context()) }

// EntryFromContext is Entry for handlers that are given the request's context and not the request, as those of RPC and GraphQL servers.
func EntryFromContext(ctx context.Context) Control { return Control{around(ctx)} }

// TTL sets the lifetime, over the route's and over what the response's own fields say. Call it before the header is written.
// Zero or less means Skip. A response of 5xx takes no lifetime from it: that is an accident that came after the call.
func (c Control) TTL(d time.Duration) {
	if d <= 0 {
		c.Skip("ttl")
		return
	}
	c.change(func(s *statement) { s.ttl = min(d, OneYear) })
}

// Skip keeps the response out of the store, and out of those of caches around the innermost; the reason is shown in Cache-Status and logs.
func (c Control) Skip(reason string) {
	if reason == "" {
		reason = "skip"
	}
	c.s.all(func(s *statement) { s.skip = reason })
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
	s.ttl, s.skip, s.tags, s.personal, s.vary = 0, "", nil, false, nil
}

func (s *statement) read() (ttl time.Duration, skip string, tags []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ttl, s.skip, slices.Clone(s.tags)
}
