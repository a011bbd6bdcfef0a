package middleware

import (
	"context"
	"time"

	"github.com/larderhq/larder/internal/store"
)

// ErrMiss is what a Store's Get returns, wrapped or not, when it has nothing under the key.
var ErrMiss = store.ErrMiss

// Store is a byte store of the user's own, for Options.Store: opaque values under opaque keys.
// All methods are called concurrently and should obey the context. An error never fails a request: it is counted,
// logged once per change of state, and the handler runs. The package storetest holds the contract as a test.
type Store interface {
	// Get returns the value last set under key, or an error that matches ErrMiss when there is none or it has expired.
	// The caller only reads the slice; the store must not change it afterwards.
	Get(ctx context.Context, key string) ([]byte, error)
	// Set keeps value under key for ttl, which is positive, replacing what was there. The store may not change value and may keep it.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Delete forgets the keys; a key that is not there is no error.
	Delete(ctx context.Context, keys ...string) error
}
