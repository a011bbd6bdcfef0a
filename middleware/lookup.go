package middleware

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/larderhq/larder/internal/invalidation"
	"github.com/larderhq/larder/internal/policy"
	"github.com/larderhq/larder/internal/store"
)

// find returns the stored response that the request selects and how it may answer, or why there is none: uri-miss or vary-miss.
// Where what memory has will not do, another replica may have stored since.
func (x *exchange) find() (s *response, v policy.Verdict, fwd string) {
	s, fwd = x.inMemory()
	if v = x.judge(s, x.arrived); v != policy.Validate || x.rt.c.tiers.remote == nil {
		return s, v, fwd
	}
	there, why := x.inRemote()
	switch w := x.judge(there, x.arrived); {
	case w != policy.Validate:
		x.rt.c.tiers.remember(there)
		return there, w, why
	case x.state(s) == invalidation.Invalid:
		return there, w, why
	}
	return s, v, fwd
}

// inMemory looks into the memory tier, and recall also among what is on its way to the remote tier: find without asking that.
func (x *exchange) inMemory() (s *response, fwd string) { return x.look((*tiers).load) }
func (x *exchange) recall() (s *response, fwd string)   { return x.look((*tiers).recall) }

func (x *exchange) look(in func(t *tiers, key []byte) *kept) (s *response, fwd string) {
	t := &x.rt.c.tiers
	if s = x.open(in(t, x.key), x.key); s != nil {
		return s, ""
	}
	v := t.index(x.key)
	if v == nil {
		return nil, fwdURIMiss
	}
	key := x.variantKey(v.Names)
	if s = x.open(in(t, key), key); s != nil {
		return s, ""
	}
	return nil, fwdVaryMiss
}

// open makes ready what is kept under a key; nil where that is nothing or an index.
func (x *exchange) open(k *kept, key []byte) *response {
	s := x.rt.open(k, alias(key), x.key, x.r)
	if s != nil && s.Variants != nil {
		return nil
	}
	return s
}

// inRemote takes one round trip for a key without variants, or for a variant that is known here. If it takes several, they have
// the time of one.
func (x *exchange) inRemote() (s *response, fwd string) {
	x.until = time.Time{}
	tried := ""
	fwd = fwdURIMiss
	if v := x.rt.c.tiers.index(x.key); v != nil {
		tried = string(x.variantKey(v.Names))
		if s = x.fetch([]byte(tried)); s != nil && s.Variants == nil {
			return s, ""
		}
		fwd = fwdVaryMiss
	}
	s = x.fetch(x.key)
	switch {
	case s == nil:
		return nil, fwd
	case s.Variants == nil:
		x.rt.c.tiers.forget(x.key)
		return s, ""
	}
	// The fleet may know of other selecting fields than this process did.
	if key := x.variantKey(s.Variants.Names); string(key) != tried {
		if s = x.fetch(key); s != nil && s.Variants == nil {
			return s, ""
		}
	}
	return nil, fwdVaryMiss
}

// fetch asks the remote tier; an index, which it remembers, comes as a response with Variants.
func (x *exchange) fetch(key []byte) *response {
	t := &x.rt.c.tiers
	if k, found := t.remote.pending(alias(key)); found {
		return x.rt.open(k, alias(key), x.key, x.r)
	}
	ctx, cancel := x.remaining()
	defer cancel()
	var value store.Value
	var found bool
	if t.memory != nil {
		value.Bytes, found = t.remote.get(ctx, string(key))
	} else {
		value, found = t.remote.read(ctx, key)
	}
	if !found {
		return nil
	}
	x.rt.c.awaitLog(x.r.Context())
	s, _ := value.Shared().(*response)
	if s == nil || s.Key != alias(key) { // long keys may share a digest
		s = x.rt.decode(alias(key), alias(value.Bytes), invalidation.Origin{}, x.key, x.r)
	}
	switch {
	case s == nil:
	case s.Variants != nil:
		if e, err := store.Decode(s.Key, bytes.Clone(value.Bytes)); err == nil { // it stays, and what it was found in does not
			t.indexes.Store(e.Key, e)
		}
	case t.memory == nil:
		value.Share(s) // with those who waited for the same GET
		x.value = value
	}
	return s
}

// remaining is the context of a call to the remote tier. The first has a time-out of its own; those after it have what is left.
func (x *exchange) remaining() (context.Context, context.CancelFunc) {
	if x.until.IsZero() {
		x.until = time.Now().Add(x.rt.c.opt.StoreTimeout)
		return x.r.Context(), func() {}
	}
	return context.WithDeadline(x.r.Context(), x.until)
}

// variantKey is the key of the request's variant among those that names select; good until the next call.
func (x *exchange) variantKey(names []string) []byte {
	x.variant = appendVariant(append(x.variant[:0], x.key...), names, x.r)
	return x.variant
}

// judge says how a stored response may answer this request.
func (x *exchange) judge(s *response, now time.Time) policy.Verdict {
	state := x.state(s)
	if state == invalidation.Invalid {
		return policy.Validate
	}
	v := s.Terms.Reuse(now, x.directives())
	switch {
	case state != invalidation.Expired || v != policy.Fresh:
		return v
	case s.Terms.MustRevalidate: // which forbids stale (RFC 9111 §4.2.4)
		return policy.Validate
	default:
		return policy.StaleWhileRevalidate
	}
}

// state says whether a stored response, fresh or stale, is of any use to this request.
func (x *exchange) state(s *response) invalidation.State {
	if s == nil || !x.mayReuse(s) {
		return invalidation.Invalid
	}
	return x.rt.c.log.Usable(&s.stamp, x.arrived)
}

// mayReuse reports whether a stored response is for this target and, where the request bears credentials, for such requests
// too (RFC 9111 §3.5).
func (x *exchange) mayReuse(s *response) bool {
	return (x.rt.name == "" || s.Target == string(x.target())) && (x.guarded == "" || s.Terms.Shareable)
}

// anyHost stands for the host of an entry that answers for all of them.
const anyHost = "*"

// selectors appends to list all that an invalidation may name an entry by.
func (rt *route) selectors(list []invalidation.Selector, r *http.Request, primary string, e *store.Entry) []invalidation.Selector {
	target := strings.TrimPrefix(e.Target, "https://")
	slash := max(0, strings.IndexByte(target, '/'))
	host, path := target[:slash], unescapedPath(target[slash:])
	if rt.anyHost {
		target = anyHost + path
	} else if name := withoutImpliedPort(host); name != host || len(host)+len(path) != len(target) {
		target = name + path
	}
	list = append(slices.Grow(list, 4+len(e.Tags)),
		invalidation.Select(invalidation.Route, rt.label(r)),
		invalidation.Select(invalidation.Path, path),
		invalidation.Select(invalidation.Path, target),
		invalidation.Select(invalidation.Key, primary))
	for _, tag := range e.Tags {
		list = append(list, invalidation.Select(invalidation.Tag, tag))
	}
	return rt.groupSelectors(list, r, e)
}
