package store_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larderhq/larder/internal/redistest"
	"github.com/larderhq/larder/internal/store"
)

// BenchmarkGet compares a raw GET of go-redis with one through the lanes: ns/op is per call, whatever the clients.
func BenchmarkGet(b *testing.B) {
	srv := redistest.Start(b)
	client := srv.Client()
	ctx := context.Background()
	r := store.WithTimeout(store.NewRedis(client), time.Minute)
	heeding := srv.ClientWith(redis.Options{ContextTimeoutEnabled: true})
	prompt := store.WithTimeout(store.NewRedis(heeding), time.Minute)
	for _, size := range []int{1 << 10, 64 << 10} {
		keys := make([]string, 1000)
		for i := range keys {
			keys[i] = fmt.Sprintf("larder:shop.example/items/%d/%d", size, i)
			if err := r.Set(ctx, keys[i], bytes.Repeat([]byte("x"), size), time.Hour); err != nil {
				b.Fatal(err)
			}
		}
		for _, clients := range []int{1, 8, 64, 256} {
			name := fmt.Sprintf("%dKiB/%dclients/", size>>10, clients)
			b.Run(name+"raw", func(b *testing.B) {
				run(b, clients, func(i int) error { return client.Get(ctx, keys[i]).Err() })
			})
			b.Run(name+"lanes", func(b *testing.B) {
				run(b, clients, func(i int) error { _, err := r.Get(ctx, keys[i]); return err })
			})
			b.Run(name+"lanes, contexts", func(b *testing.B) {
				run(b, clients, func(i int) error { _, err := prompt.Get(ctx, keys[i]); return err })
			})
		}
	}
}

// run shares b.N calls among the clients.
func run(b *testing.B, clients int, get func(i int) error) {
	b.ReportAllocs()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := get(rand.IntN(1000)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
