package middleware

import (
	"context"
	"io"
	"net"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// newSilent returns a client of a Redis that takes all and answers nothing.
func newSilent(t *testing.T) *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", Dialer: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }() // until the client hangs up
		return ours, nil
	}})
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// TestSilentRedisAtStart: a request waits for Redis or for the log, not for the one after the other; and once the breaker is open nobody
// waits, though the first reading of the log still does, for a quarter of the lease.
func TestSilentRedisAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newTestCache(t, Options{Redis: newSilent(t), StoreTimeout: 100 * time.Millisecond, Lease: time.Minute})
		h := cache.For(time.Hour)(&origin{answer: says("hello")})
		for i := range 50 {
			began := time.Now()
			get(t, h, "/"+strconv.Itoa(i))
			limit := time.Duration(0)
			if i < breakerFailures {
				limit = 100*time.Millisecond + storeGrace
			}
			if took := time.Since(began); took > limit {
				t.Errorf("request %d took %v", i, took)
			}
		}
	})
}
