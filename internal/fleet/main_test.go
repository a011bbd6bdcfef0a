// Package fleet is a fleet in a box: replicas of a small service as processes of their own, Redis behind a fault proxy, and a
// load that holds every answer against the promise of docs/invalidation.md. It needs redis-server in PATH.
package fleet

import (
	"flag"
	"os"
	"testing"
	"time"
)

var full = flag.Bool("full", false, "the sizes and times of the figures in docs/invalidation.md instead of those of a quick run")

// TestMain is also where the replicas start: they are this very program.
func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(replicaEnv); ok {
		os.Exit(serve(text))
	}
	os.Exit(m.Run())
}

// either is a value of the quick run or of the full one.
func either[T any](quick, whole T) T {
	if *full {
		return whole
	}
	return quick
}

// lease is short in a quick run, so that what outlasts it is quick too.
func lease() time.Duration { return either(time.Second, 2*time.Second) }
