package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	items = 100 // so many that without the log, each with one run per lease, most requests miss
	// readers ask one replica each, in turn with a pause.
	readers   = 2
	readPause = 10 * time.Millisecond
	// purgePause is what each replica rests between two purges.
	purgePause = 400 * time.Millisecond
	// goodRate of requests are hits while nothing is wrong; the rest is due to purges.
	goodRate   = 0.8
	rateSample = 100
)

// load is clients that read and purge at every replica without a pause, and know the promise.
type load struct {
	*fleet
	stop context.CancelFunc
	done sync.WaitGroup

	requests, hits  []atomic.Int64 // per replica
	purges, refused atomic.Int64
	oldest          atomic.Int64 // nanoseconds between a purge and the last older answer to it
	mu              sync.Mutex
	orders          map[string][]order // guarded by mu
	violations      []error            // guarded by mu
}

// order is a purge that has returned.
type order struct {
	version int
	by      *process
	at      time.Time // after it had returned
	acked   bool
}

// startLoad lets every replica serve until the test ends.
func (f *fleet) startLoad() *load {
	ctx, cancel := context.WithCancel(context.Background())
	n := len(f.replicas)
	l := &load{fleet: f, stop: cancel, requests: make([]atomic.Int64, n), hits: make([]atomic.Int64, n), orders: make(map[string][]order)}
	for i, r := range f.replicas {
		for range readers {
			l.repeat(ctx, readPause, func() { l.read(i, r) })
		}
		l.repeat(ctx, purgePause, func() { l.purge(r) })
	}
	f.t.Cleanup(func() {
		cancel()
		l.done.Wait()
		l.report(f.t)
	})
	return l
}

func (l *load) repeat(ctx context.Context, pause time.Duration, f func()) {
	l.done.Go(func() {
		for ctx.Err() == nil {
			f()
			time.Sleep(rand.N(2 * pause))
		}
	})
}

// read asks for one item and judges the answer.
func (l *load) read(i int, r *replica) {
	id := strconv.Itoa(rand.IntN(items))
	r.use(func(p *process) {
		sent := time.Now()
		version, cache, err := p.get("/items/" + id)
		l.requests[i].Add(1)
		if cache == "Hit" {
			l.hits[i].Add(1)
		}
		l.judge(p, id, version, sent, err)
	})
}

// judge holds an answer against the promise. The replica got the request after it was sent, and had acknowledged a purge before
// it returned, so that what fails here has failed there.
func (l *load) judge(p *process, id string, version int, sent time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.violations = append(l.violations, fmt.Errorf("a failed request: %w", err))
		return
	}
	for _, o := range l.orders[id] {
		after := sent.Sub(o.at)
		if version >= o.version || after <= 0 {
			continue
		}
		if o.by == p || o.acked && after > lease() {
			l.violations = append(l.violations, fmt.Errorf("item %s at version %d, %v after its purge to %d (by the same process: %v)",
				id, version, after, o.version, o.by == p))
		}
		if o.by != p && o.acked {
			l.oldest.Store(max(l.oldest.Load(), int64(after)))
		}
	}
}

// purge changes an item and then purges it, by one selector or another.
func (l *load) purge(r *replica) {
	id := strconv.Itoa(rand.IntN(items))
	by, value := "tag", "item:"+id
	switch n := rand.IntN(200); { // The first three leave nothing to hit.
	case n == 0:
		by = "all"
	case n == 1:
		value = "items"
	case n == 2:
		by, value = "route", "/items/{id}"
	case n < 50:
		by, value = "path", "/items/"+id
	case n < 100:
		by, value = "key", "larder:"+host+"/items/"+id+"()"
	}
	r.use(func(p *process) { l.purgeAt(p, id, by, value) })
}

func (l *load) purgeAt(p *process, id, by, value string) (version int) {
	version = l.database.bump(id)
	refused, fatal := p.purge(by, value)
	o := order{version, p, time.Now(), refused == nil}
	l.purges.Add(1)
	if refused != nil {
		l.refused.Add(1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.orders[id] = append(l.orders[id], o)
	if fatal != nil {
		l.violations = append(l.violations, fmt.Errorf("a failed purge: %w", fatal))
	}
	return version
}

// report fails the test for what was wrong since the last report.
func (l *load) report(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.violations); n > 0 {
		t.Errorf("%d violations: %v", n, errors.Join(l.violations[:min(n, 10)]...))
	}
	l.violations = nil
}

// rates are the shares of hits per replica among the next so many requests.
func (l *load) rates() []float64 {
	rates := make([]float64, len(l.requests))
	var wg sync.WaitGroup
	for i := range rates {
		requests, hits := l.requests[i].Load(), l.hits[i].Load()
		wg.Go(func() {
			for l.requests[i].Load() < requests+rateSample {
				time.Sleep(readPause)
			}
			rates[i] = float64(l.hits[i].Load()-hits) / float64(l.requests[i].Load()-requests)
		})
	}
	wg.Wait()
	return rates
}

// awaitHits returns when every replica hits as it does when nothing is wrong.
func (l *load) awaitHits() []float64 {
	for {
		rates, good := l.rates(), true
		for _, rate := range rates {
			good = good && rate >= goodRate
		}
		if good {
			return rates
		}
	}
}
