package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/larderhq/larder/internal/bench/bare"
	larder "github.com/larderhq/larder/middleware"
	"github.com/redis/go-redis/v9"
)

// The kinds of servers.
const (
	kindChi      = "chi"      // a handler behind chi that writes what a hit writes
	kindMemory   = "memory"   // a route behind chi, in memory
	kindTwoTiers = "twotiers" // the same, with Redis behind it
	kindGet      = "get"      // a handler that makes one raw GET, or, when asked for a new key, a GET and a SET
	kindRedis    = "redis"    // a route that keeps everything in Redis only
	kindCold     = "cold"     // a route with a slow handler
)

const (
	small  = 1 << 10
	large  = 64 << 10
	manyK  = 10_000
	largeK = 1000
	// coldDelay is how long the slow handler takes.
	coldDelay = 100 * time.Millisecond
)

// handler returns the handler of a kind of server, and what ends it.
func handler(kind, redisAddr string) (http.Handler, func(), error) {
	// With its defaults, as most have them.
	client := redis.NewClient(&redis.Options{Addr: redisAddr})
	o := larder.Options{Logger: slog.New(slog.DiscardHandler)}
	switch kind {
	case kindTwoTiers:
		o.Redis = client
	case kindRedis:
		o.Redis, o.MemoryBytes = client, -1
	case kindGet:
		return rawHandler(client), func() { _ = client.Close() }, fillRaw(client)
	}
	cache, err := larder.New(o)
	if err != nil {
		return nil, nil, err
	}
	done := func() {
		_ = cache.Close()  // the process ends,
		_ = client.Close() // and so does all that could be wrong
	}
	hour := cache.For(larder.OneHour, larder.Budget(math.MaxInt))
	switch kind {
	case kindChi:
		r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/items/1", http.NoBody)
		cached := hour(page())
		bare.NewSink().Do(cached, r)
		return routed(bare.Echo(cached, r)), done, nil
	case kindMemory, kindTwoTiers:
		return routed(hour(page())), done, nil
	case kindCold:
		return hour(slow()), done, nil
	case kindRedis:
		return hour(page()), done, nil
	}
	return nil, nil, fmt.Errorf("no kind of server is called %q", kind)
}

func routed(h http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Method(http.MethodGet, "/items/{id}", h)
	return r
}

const (
	itemPrefix = "/items/"
	filePrefix = "/files/"
	fillPrefix = "/fill/"
	rawPrefix  = "raw:"
)

// bodyOf is the body of a path: large under /files/.
func bodyOf(path string) []byte {
	if strings.HasPrefix(path, filePrefix) {
		return largeBody
	}
	return smallBody
}

var smallBody, largeBody = bytes.Repeat([]byte("x"), small), bytes.Repeat([]byte("x"), large)

func page() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { writePage(w, bodyOf(r.URL.Path)) })
}

func writePage(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // a client that has gone is no error of a benchmark
}

// slow answers after coldDelay with the number of its run.
func slow() http.Handler {
	var runs atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(coldDelay)
		_, _ = fmt.Fprint(w, runs.Add(1)) // as above
	})
}

// rawHandler is what one writes without a cache in front: a GET, and where there is nothing, a SET.
func rawHandler(client *redis.Client) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := rawPrefix + r.URL.Path
		body, err := client.Get(r.Context(), key).Bytes()
		if errors.Is(err, redis.Nil) {
			body = bodyOf(r.URL.Path)
			err = client.Set(r.Context(), key, body, time.Hour).Err()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		writePage(w, body)
	})
}

// fillRaw sets what rawHandler is asked for.
func fillRaw(client *redis.Client) error {
	pipe := client.Pipeline()
	ctx := context.Background()
	for i := 1; i <= manyK; i++ {
		pipe.Set(ctx, rawPrefix+itemPrefix+strconv.Itoa(i), smallBody, 0)
	}
	for i := 1; i <= largeK; i++ {
		pipe.Set(ctx, rawPrefix+filePrefix+strconv.Itoa(i), largeBody, 0)
	}
	_, err := pipe.Exec(ctx)
	return err
}
