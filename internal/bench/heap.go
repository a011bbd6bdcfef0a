package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	"github.com/larderhq/larder/internal/bench/bare"
	larder "github.com/larderhq/larder/middleware"
)

// weight is what entries in memory take, measured in a process of its own.
type weight struct {
	Entries  int
	Beyond   float64 // bytes of heap an entry, beyond body, key and field values
	Reckoned float64 // bytes that the cache reckons for an entry, for each that it takes
	Cycle    float64 // CPU of a garbage collection, milliseconds
	Wall     float64 // how long it takes beside the program, milliseconds
	Pause    float64 // the longest that it stops the program, microseconds
}

const (
	weighedBody  = 200
	weighedBytes = 4 << 30
)

// weigh starts this program again, so that its heap holds nothing else.
func weigh(ctx context.Context, entries int) (weight, error) {
	self, err := os.Executable()
	if err != nil {
		return weight{}, err
	}
	out, err := exec.CommandContext(ctx, self, "weigh", strconv.Itoa(entries)).Output() //nolint:gosec // ourselves
	if err != nil {
		return weight{}, err
	}
	var w weight
	return w, json.Unmarshal(out, &w)
}

// reportWeight is the child's side.
func reportWeight(argument string) error {
	n, err := strconv.Atoi(argument)
	if err != nil {
		return err
	}
	cache, err := larder.New(larder.Options{MemoryBytes: weighedBytes, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	empty := heap()
	text := fillMemory(cache, n)
	taken := heap() - empty
	s := cache.Stats()
	if s.Entries != n {
		return fmt.Errorf("%d entries of %d are in memory", s.Entries, n)
	}
	w := weight{Entries: n, Beyond: (taken - text) / float64(n), Reckoned: float64(s.Bytes) / taken}
	if err := w.collect(); err != nil {
		return err
	}
	runtime.KeepAlive(cache)
	return json.NewEncoder(os.Stdout).Encode(w)
}

// fillMemory stores n pages and returns how many bytes their bodies, keys and field values have.
func fillMemory(cache *larder.Cache, n int) (text float64) {
	body := make([]byte, weighedBody)
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writePage(w, body) })
	sink := bare.NewSink()
	route := cache.For(larder.OneHour, larder.Budget(n))(page)
	for i := range n {
		r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/items/"+strconv.Itoa(i), http.NoBody)
		sink.Do(route, r)
		text += float64(len(body) + len("larder:"+r.Host+r.RequestURI+"()"))
		for _, name := range []string{"Content-Type", "Etag", "Date"} {
			text += float64(len(sink.Fields.Get(name)))
		}
	}
	return text
}

// heap is the live heap in bytes.
func heap() float64 {
	runtime.GC()
	runtime.GC() // what pools held goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// collect measures garbage collections of the full heap.
func (w *weight) collect() error {
	const cycles = 5
	before, err := ownCPU()
	if err != nil {
		return err
	}
	began := time.Now()
	for range cycles {
		runtime.GC()
	}
	w.Wall = time.Since(began).Seconds() * 1e3 / cycles
	after, err := ownCPU()
	w.Cycle = (after - before).Seconds() * 1e3 / cycles
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	for i := range cycles {
		w.Pause = max(w.Pause, float64(m.PauseNs[(int(m.NumGC)-1-i+256)%256])/1e3)
	}
	return err
}
