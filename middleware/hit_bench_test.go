package middleware_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/larderhq/larder/internal/bench/bare"
	"github.com/larderhq/larder/internal/redistest"
	larder "github.com/larderhq/larder/middleware"
	"github.com/redis/go-redis/v9"
)

const benchKeys = 10_000

// page is the handler behind the cache: a body of size bytes and its type.
func page(size int) http.HandlerFunc {
	body := bytes.Repeat([]byte("x"), size)
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(body) // nobody reads it
	}
}

// newBenchCache returns a cache that is closed with the test and has read its log.
func newBenchCache(tb testing.TB, o larder.Options) *larder.Cache {
	tb.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	cache, err := larder.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := cache.Close(); err != nil {
			tb.Error(err)
		}
	})
	return cache
}

// get is the request of a client that says little, as curl does.
func get(target string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, target, http.NoBody)
	r.Header.Set("User-Agent", "curl/8.14.1")
	r.Header.Set("Accept", "*/*")
	return r
}

// browse is the request of a browser.
func browse(target string) *http.Request {
	r := get(target)
	for name, value := range map[string]string{
		"User-Agent":                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"Accept":                    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		"Accept-Language":           "en-US,en;q=0.5",
		"Accept-Encoding":           "gzip, deflate, br, zstd",
		"Upgrade-Insecure-Requests": "1",
		"Sec-Fetch-Dest":            "document",
		"Sec-Fetch-Mode":            "navigate",
		"Sec-Fetch-Site":            "none",
		"Priority":                  "u=0, i",
	} {
		r.Header.Set(name, value)
	}
	return r
}

// many returns one request per key.
func many() []*http.Request {
	requests := make([]*http.Request, benchKeys)
	for i := range requests {
		requests[i] = get("/items/" + strconv.Itoa(i))
	}
	return requests
}

// conditional returns r with the entity-tag of what h answers it with.
func conditional(h http.Handler, r *http.Request) *http.Request {
	w := bare.NewSink()
	w.Do(h, r)
	again := r.Clone(r.Context())
	again.Header.Set("If-None-Match", w.Fields.Get("Etag"))
	return again
}

// hitRow is a kind of hit: the requests, which have all been answered once, and what answers them with and without the cache.
type hitRow struct {
	name          string
	requests      []*http.Request
	larder, plain http.Handler
}

// hitRows are the rows of docs/performance.md that a process can measure by itself.
func hitRows(tb testing.TB) []hitRow {
	cache := newBenchCache(tb, larder.Options{})
	hour := cache.For(larder.OneHour)
	small, large := hour(page(1<<10)), hour(page(64<<10))
	behind, around := chi.NewRouter(), chi.NewRouter()
	behind.With(hour).Get("/items/{id}", page(1<<10))
	around.Get("/items/{id}", page(1<<10))
	one, big := []*http.Request{get("/items/1")}, []*http.Request{get("/files/1")}
	routed := []*http.Request{get("http://chi.example/items/1")}

	rows := []hitRow{
		{name: "1KiB", requests: one, larder: small},
		{name: "64KiB", requests: big, larder: large},
		{name: "browser", requests: []*http.Request{browse("/items/1")}, larder: small},
		{name: "10000keys", requests: many(), larder: small},
		{name: "chi", requests: routed, larder: behind},
		{name: "aroundchi", requests: []*http.Request{get("http://around.example/items/1")}, larder: hour(around)},
		{name: "twotiers", requests: one, larder: twoTiers(tb)},
		{name: "named", requests: one, larder: cache.For(larder.OneHour, larder.Name("item"))(page(1 << 10))},
	}
	for i := range rows {
		row := &rows[i]
		for _, r := range append(row.requests, row.requests...) { // the first hit makes an entry ready, once
			bare.NewSink().Do(row.larder, r)
		}
		row.plain = bare.Echo(row.larder, row.requests[0])
	}
	chiBare := chi.NewRouter()
	chiBare.Method(http.MethodGet, "/items/{id}", rows[4].plain)
	rows[4].plain = chiBare
	return append(rows, hitRow{name: "304", requests: []*http.Request{conditional(small, one[0])}, larder: small, plain: bare.Echo(small, one[0])})
}

// twoTiers is a route in front of memory and a Redis.
func twoTiers(tb testing.TB) http.Handler {
	return newBenchCache(tb, larder.Options{Redis: redistest.Start(tb).Client()}).For(larder.OneHour)(page(1 << 10))
}

// BenchmarkHit answers from memory, beside a handler that writes the same fields and bytes.
func BenchmarkHit(b *testing.B) {
	for _, row := range hitRows(b) {
		b.Run(row.name+"/bare", func(b *testing.B) { serve(b, row.plain, row.requests) })
		b.Run(row.name+"/larder", func(b *testing.B) { serve(b, row.larder, row.requests) })
	}
}

// serve has h answer the requests in turn, over and over: before the clock starts so often that none of them is new to it.
func serve(b *testing.B, h http.Handler, requests []*http.Request) {
	w, i := bare.NewSink(), 0
	for range 20 {
		for _, r := range requests {
			w.Do(h, r)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		w.Do(h, requests[i])
		if i++; i == len(requests) {
			i = 0
		}
	}
}

// distinct changes a request so that no two calls, whoever calls, ask for the same, without an allocation that would count.
type distinct struct {
	hosts, uris []string
	n           int
}

func newDistinct() *distinct {
	d := &distinct{hosts: make([]string, 4096), uris: make([]string, 4096)}
	for i := range d.hosts {
		d.hosts[i], d.uris[i] = fmt.Sprintf("h%d.example", i), fmt.Sprintf("/items/%d", i)
	}
	return d
}

func (d *distinct) next(r *http.Request) *http.Request {
	r.Host, r.RequestURI = d.hosts[d.n/len(d.uris)%len(d.hosts)], d.uris[d.n%len(d.uris)]
	r.URL.Path = r.RequestURI
	d.n++
	return r
}

// BenchmarkMiss runs the handler and stores its answer in memory, which is full before long.
func BenchmarkMiss(b *testing.B) {
	h := newBenchCache(b, larder.Options{}).For(larder.OneHour, larder.Budget(math.MaxInt))(page(1 << 10))
	keys, r := newDistinct(), get("/")
	plain := bare.Echo(h, keys.next(r))
	b.Run("store/bare", func(b *testing.B) { miss(b, plain, keys, r) })
	b.Run("store/larder", func(b *testing.B) { miss(b, h, keys, r) })
}

func miss(b *testing.B, h http.Handler, keys *distinct, r *http.Request) {
	w := bare.NewSink()
	b.ReportAllocs()
	for b.Loop() {
		w.Do(h, keys.next(r))
	}
}

// BenchmarkScaling is run with -cpu=1,2: hits of one key, and of a key for each goroutine's every request.
func BenchmarkScaling(b *testing.B) {
	h := newBenchCache(b, larder.Options{}).For(larder.OneHour)(page(1 << 10))
	requests := many()
	for _, r := range append(requests, requests...) {
		bare.NewSink().Do(h, r)
	}
	plain := bare.Echo(h, requests[0])
	b.Run("equal/bare", func(b *testing.B) { parallel(b, plain, requests[:1]) })
	b.Run("equal/larder", func(b *testing.B) { parallel(b, h, requests[:1]) })
	b.Run("distinct/bare", func(b *testing.B) { parallel(b, plain, requests) })
	b.Run("distinct/larder", func(b *testing.B) { parallel(b, h, requests) })
}

func parallel(b *testing.B, h http.Handler, requests []*http.Request) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		w, own := bare.NewSink(), *requests[0]
		for i := 0; pb.Next(); i++ {
			own.RequestURI, own.URL = requests[i%len(requests)].RequestURI, requests[i%len(requests)].URL
			w.Do(h, &own)
		}
	})
}

// redisRoute is a route without a memory tier, and the client it uses.
func redisRoute(tb testing.TB, size int) (http.Handler, *redis.Client) {
	tb.Helper()
	client := redistest.Start(tb).Client()
	cache := newBenchCache(tb, larder.Options{Redis: client, MemoryBytes: -1, StoreTimeout: 10 * time.Second})
	return cache.For(larder.OneHour)(page(size)), client
}

// rawGet is a handler that answers with one GET of go-redis.
func rawGet(tb testing.TB, client *redis.Client, size int) http.Handler {
	if err := client.Set(context.Background(), "raw", make([]byte, size), 0).Err(); err != nil {
		tb.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := client.Get(r.Context(), "raw").Bytes()
		if err != nil {
			tb.Error(err)
		}
		_, _ = w.Write(body) // nobody reads it
	})
}

// BenchmarkRedis answers one request at a time from Redis, beside a handler that makes one raw GET.
func BenchmarkRedis(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		h, client := redisRoute(b, size)
		requests := []*http.Request{get("/items/1")}
		bare.NewSink().Do(h, requests[0])
		raw := rawGet(b, client, size)
		name := strconv.Itoa(size>>10) + "KiB"
		b.Run(name+"/raw", func(b *testing.B) { serve(b, raw, requests) })
		b.Run(name+"/larder", func(b *testing.B) { serve(b, h, requests) })
	}
}
