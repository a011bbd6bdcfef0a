package middleware

import (
	"net/http"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/larderhq/larder/internal/invalidation"
	"github.com/larderhq/larder/internal/store"
)

// kept is a stored response as memory and the queue of writes hold it: in its binary form, which is small and gives the garbage
// collector nothing to mark, and, from the first time that somebody asks for it, made ready to be served as well.
type kept struct {
	form   string // binary, with the key inside
	origin invalidation.Origin
	opened atomic.Pointer[response]
}

// size is what it takes in memory.
func (k *kept) size() int {
	n := int(unsafe.Sizeof(*k)) + store.HeapSize(len(k.form))
	if s := k.opened.Load(); s != nil {
		n += s.Lists() + responseOverhead + s.replay.Load().size()
	}
	return n
}

// bytes are the form, which nobody may change.
func (k *kept) bytes() []byte { return unsafe.Slice(unsafe.StringData(k.form), len(k.form)) }

// open returns the response for serving. It is nil for nil.
func (rt *route) open(k *kept, key string, primary []byte, r *http.Request) *response {
	if k == nil {
		return nil
	}
	if s := k.opened.Load(); s != nil {
		return s
	}
	s := rt.decode(key, k.form, k.origin, primary, r)
	if s == nil || !k.opened.CompareAndSwap(nil, s) {
		return k.opened.Load()
	}
	if m := rt.c.tiers.memory; m != nil {
		m.Reweigh(s.Key)
	}
	return s
}

// decode makes a response of its binary form. Of an index of variants only the entry is filled in. It returns nil where the form cannot
// be read or comes from a clock ahead of ours. The response keeps the form where there is a memory tier, else only the body in it.
func (rt *route) decode(key, form string, o invalidation.Origin, primary []byte, r *http.Request) *response {
	s, room, selectors := rt.newRoom()
	if room == nil {
		s.form = form
	}
	if err := s.Decode(key, unsafe.Slice(unsafe.StringData(form), len(form)), room); err != nil {
		rt.c.unreadable(key, err)
		return nil
	}
	if s.Variants == nil {
		if o == (invalidation.Origin{}) && s.Terms.Ahead(time.Now()) { // it would not age until our clock is where that one was
			return nil
		}
		s.prepare()
		s.stamp.Init(s.Position, o, rt.selectors(selectors, r, alias(primary), &s.Entry))
	}
	return s
}

// roomy is a response with room for its entry as well: where it serves one request only, one allocation does for all.
type roomy struct {
	made
	lists store.Room
}

// newRoom returns a response that is empty, with room to decode it into where it will not stay in memory.
func (rt *route) newRoom() (*response, *store.Room, []invalidation.Selector) {
	if rt.c.tiers.memory != nil {
		return new(response), nil, nil
	}
	b := new(roomy)
	b.furnish()
	return &b.response, &b.lists, b.selectors[:0]
}
