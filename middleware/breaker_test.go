package middleware

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestCallsFailTogether: what many calls wait for in vain at the same time is one failure of the store, however many they are and
// whatever they are about. Three such, one after the other, open the breaker.
func TestCallsFailTogether(t *testing.T) {
	for _, test := range []struct {
		name         string
		keys, crowds int
		leftAlone    bool
	}{
		{"one key", 1, breakerFailures - 1, false},
		{"one key, again and again", 1, breakerFailures, true},
		{"different keys", 100, breakerFailures - 1, false},
		{"different keys, again and again", 100, breakerFailures, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fragile{takes: time.Second}
				h := newTestCache(t, Options{Store: f, MemoryBytes: -1}).For(time.Hour)(&origin{answer: says("hello")})
				for n := range test.crowds { // each for other pages, as what is to be stored is not asked for
					crowd(100, func(i int) { get(t, h, fmt.Sprintf("/%d/%d", n, i%test.keys)) }).Wait()
				}
				asked := f.gets.Load()
				get(t, h, "/")
				if leftAlone := f.gets.Load() == asked; leftAlone != test.leftAlone {
					t.Errorf("the store is left alone: %v", leftAlone)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}
