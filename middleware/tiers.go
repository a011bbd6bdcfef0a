package middleware

import (
	"errors"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/larderhq/larder/internal/invalidation"
	"github.com/larderhq/larder/internal/policy"
	"github.com/larderhq/larder/internal/store"
)

const (
	// indexBytes bounds what is remembered of which keys have variants, whatever MemoryBytes is.
	indexBytes = 4 << 20
	// maxVariants bounds the variants of a key; the least recently used goes.
	maxVariants = 64
	// maxSelecting bounds the fields that select among them.
	maxSelecting = 16
)

// tiers are where responses are stored, in one binary form: in memory, and behind it in a store of bytes.
type tiers struct {
	memory  *store.Memory[*kept]        // nil: no in-process tier
	indexes *store.Memory[*store.Entry] // keys that have variants
	remote  *remote                     // nil: memory only
	mu      sync.Mutex                  // one index is changed at a time
}

// load finds what memory holds under exactly this key, which may alias a buffer: it is not kept.
func (t *tiers) load(key []byte) *kept {
	if t.memory == nil {
		return nil
	}
	k, _ := t.memory.Load(alias(key))
	return k
}

// recall finds what the process holds under a key: in memory, or on its way to the remote tier.
func (t *tiers) recall(key []byte) *kept {
	if k := t.load(key); k != nil || t.remote == nil {
		return k
	}
	k, _ := t.remote.pending(string(key))
	return k
}

// index returns what is known of the variants of a primary key.
func (t *tiers) index(key []byte) *store.Variants {
	if e, found := t.indexes.Load(alias(key)); found {
		return e.Variants
	}
	return nil
}

// remember puts what came from the remote tier, and is about to be served, into memory.
func (t *tiers) remember(s *response) {
	if t.memory == nil {
		return
	}
	k := &kept{form: s.form}
	k.opened.Store(s)
	t.memory.Store(s.Key, k)
}

// supersede puts what this process filled into memory. It reports false where the answer of a run that began later is there.
func (t *tiers) supersede(key string, k *kept) bool {
	if t.memory == nil {
		return true
	}
	if there, found := t.memory.Load(key); found && !k.origin.Supersedes(there.origin) {
		return false
	}
	t.memory.Store(key, k)
	return true
}

// alias makes a string of b for a look-up that does not keep it.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// save stores a response, which nobody else holds yet, behind an index where the responses of its primary key vary. variant
// gives its key among the selecting fields of that index. The remote tier is written behind the request; the channel, if any,
// is closed when that is done.
func (t *tiers) save(s *response, o invalidation.Origin, primary string, names []string, variant func([]string) string, retention time.Duration) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.Key = primary
	if old := t.current(primary, s.Terms.ResponseTime); old != nil || len(names) > 0 {
		s.Key = t.file(primary, old, names, variant, s.Terms.ResponseTime, retention)
	}
	form := store.Encode(&s.Entry)
	s.Body = store.BodyIn(form, len(s.Body)) // so that it is there once

	k, key := &kept{form: alias(form), origin: o}, store.KeyIn(form) // the key inside, so that there is only one
	if !t.supersede(key, k) || t.remote == nil {
		return nil
	}
	return t.remote.put(key, k, retention)
}

// forget ends the index of a key where the remote tier has a response under that key: another replica has given the index up and
// replaced it. The response comes into memory and is found before any variant, so that it would hide what is filed behind the index.
func (t *tiers) forget(key []byte) {
	if t.index(key) != nil {
		t.indexes.Delete(string(key))
	}
}

// current returns the index of a primary key, unless what it was kept for is over: then what comes next begins anew, so that a Vary
// which the handler no longer sends does not split the cache for ever.
func (t *tiers) current(primary string, now int64) *store.Entry {
	old, _ := t.indexes.Load(primary)
	if old != nil && old.Terms.ResponseTime+int64(old.Terms.Lifetime) <= now {
		t.indexes.Delete(primary)
		return nil
	}
	return old
}

// file returns the key of a response among the variants of its primary key and writes the index anew where that changes it.
func (t *tiers) file(primary string, old *store.Entry, names []string, variant func([]string) string, now int64, retention time.Duration) string {
	next := &store.Entry{Key: primary, Variants: &store.Variants{Names: names}, Terms: policy.Terms{Lifetime: retention, ResponseTime: now}}
	unchanged := false
	if old != nil {
		next.Variants.Names = uniqueSorted(append(slices.Clone(old.Variants.Names), names...))
		next.Variants.Keys = slices.Clone(old.Variants.Keys)
		left := old.Terms.Lifetime - time.Duration(now-old.Terms.ResponseTime)
		known := len(next.Variants.Names) == len(old.Variants.Names)
		if known && len(names) < len(old.Variants.Names) { // it says nothing for those that it does not name
			retention = left
		}
		next.Terms.Lifetime = max(retention, left)
		unchanged = known && left >= retention
	} else if t.memory != nil { // a response without Vary gives way to the index
		t.memory.Delete(primary)
	}
	key := variant(next.Variants.Names)
	if unchanged && slices.Contains(old.Variants.Keys, key) {
		return key
	}
	next.Variants.Keys = t.evict(append(without(next.Variants.Keys, key), key))
	t.indexes.Store(primary, next)
	if t.remote != nil {
		t.remote.put(primary, &kept{form: alias(store.Encode(next))}, next.Terms.Lifetime)
	}
	return key
}

func without(list []string, s string) []string {
	return slices.DeleteFunc(list, func(l string) bool { return l == s })
}

// evict drops variants beyond the bound, the least recently used in this process first, and among those never used the oldest.
func (t *tiers) evict(keys []string) []string {
	for len(keys) > maxVariants {
		victim := 0
		for i, key := range keys[:len(keys)-1] {
			if t.lastUse(key) < t.lastUse(keys[victim]) {
				victim = i
			}
		}
		t.drop(keys[victim])
		keys = slices.Delete(keys, victim, victim+1)
	}
	return keys
}

func (t *tiers) lastUse(key string) int64 {
	if t.memory != nil {
		if k, found := t.memory.Load(key); found && k.opened.Load() != nil {
			return k.opened.Load().used.Load()
		}
	}
	return 0
}

func (t *tiers) drop(key string) {
	if t.memory != nil {
		t.memory.Delete(key)
	}
	if t.remote != nil {
		t.remote.drop(key)
	}
}

// clear empties the memory of the process; the remote tier keeps what it has.
func (t *tiers) clear() {
	if t.memory != nil {
		t.memory.Clear()
	}
	t.indexes.Clear()
}

func (t *tiers) close() {
	if t.memory != nil {
		t.memory.Close()
	}
	t.indexes.Close()
}

// isMiss reports whether a store's error only says that it has nothing, or nothing of ours.
func isMiss(err error) bool { return errors.Is(err, store.ErrMiss) || errors.Is(err, store.ErrForeign) }
