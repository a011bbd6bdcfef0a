// Package storetest holds the contract of larder.Store as a test, for those who write a backend of their own:
//
//	func TestMyStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) larder.Store { return mystore.New(t.TempDir()) })
//	}
package storetest

import (
	"testing"

	larder "github.com/larderhq/larder/middleware"
)

// Run tests a store against the contract, one subtest per clause. It calls open once for each, which returns a store
// that is ready for use; what it holds already does not matter, as every subtest uses keys of its own, and so stores
// that share one server are fine. open may register cleanups with its t. Run under the race detector, as users will.
func Run(t *testing.T, open func(t *testing.T) larder.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, s larder.Store)
	}{
		{"a value comes back as it was set", roundTrip},
		{"an absent key is ErrMiss", absent},
		{"Set replaces", replaces},
		{"a value expires", expires},
		{"Set gives a new lifetime", newLifetime},
		{"Delete forgets", deletes},
		{"any text is a key", anyKey},
		{"a value is never changed", unchanged},
		{"calls are concurrent", concurrent},
		{"a cancelled call returns", cancelled},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}
