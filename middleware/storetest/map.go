package storetest

import (
	"context"
	"sync"
	"time"

	larder "github.com/larderhq/larder/middleware"
)

// Map is a store in a Go map, for tests and as an example of a backend. The zero value is ready for use, by any
// number of goroutines. Nothing bounds it, so it is no backend for a service.
type Map struct {
	mu     sync.Mutex
	values map[string]expiring
}

type expiring struct {
	value []byte
	until time.Time
}

var _ larder.Store = (*Map)(nil)

// Get returns the value under key. One that has expired is forgotten when it is asked for.
func (m *Map) Get(ctx context.Context, key string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e, found := m.values[key]
	if !found {
		return nil, larder.ErrMiss
	}
	if !time.Now().Before(e.until) {
		delete(m.values, key)
		return nil, larder.ErrMiss
	}
	return e.value, nil
}

// Set keeps value itself, not a copy: the contract lets nobody change it.
func (m *Map) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = map[string]expiring{}
	}
	m.values[key] = expiring{value, time.Now().Add(ttl)}
	return nil
}

// Delete forgets the keys.
func (m *Map) Delete(ctx context.Context, keys ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		delete(m.values, key)
	}
	return nil
}

// Len is how many values there are, expired ones that nobody has asked for since included.
func (m *Map) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.values)
}
