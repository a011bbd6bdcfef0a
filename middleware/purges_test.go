package middleware

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larderhq/larder/internal/invalidation"
)

// TestPurgeRate: so many purges a second are records of their own, and none while others go together.
func TestPurgeRate(t *testing.T) {
	var p purges
	for second := range int64(2) {
		for n := range purgeRate + 10 {
			if got, want := p.admit(second), n < purgeRate; got != want {
				t.Fatalf("second %d, purge %d: %v, want %v", second, n, got, want)
			}
		}
	}
	p.flying = new(batch)
	if p.admit(2) {
		t.Error("admitted beside a batch")
	}
}

// TestPurgesGoTogether: requests that write while a batch is under way share the next one, and none is answered before it has landed.
func TestPurgesGoTogether(t *testing.T) {
	for _, writes := range []int64{10, purgeBatch} { // the latter are more selectors than one record takes
		synctest.Test(t, func(t *testing.T) {
			c := newTestCache(t, Options{})
			o := &origin{answer: says("hello")}
			h := c.For(time.Hour)(o)
			under := &batch{done: make(chan struct{})}
			c.purges.flying = under
			writers := crowd(int(writes), func(n int) {
				path := "/" + strconv.Itoa(n)
				get(t, h, path)
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPut, path, nil))
				expect(t, get(t, h, path), http.StatusOK, "hello", "X-Cache", "Miss")
			})
			synctest.Wait()
			o.ran(t, 2*writes)
			if next := c.purges.next; next == nil || len(next.selectors) != int(2*writes) { // each on its host and on any
				t.Errorf("the next batch is %v, want %d selectors", next, 2*writes)
			}
			c.purges.land(under, nil)
			writers.Wait()
			o.ran(t, 3*writes)
			if c.purges.next != nil || c.purges.flying != nil {
				t.Error("a batch is left")
			}
		})
	}
}

// TestLargeBatchIsEverything: what would be too long a record is one of everything.
func TestLargeBatchIsEverything(t *testing.T) {
	for n, want := range map[int]int{purgeBatch: purgeBatch, purgeBatch + 1: 1} {
		next := &batch{selectors: map[invalidation.Selector]bool{}}
		for i := range n {
			next.selectors[invalidation.Selector(i+1)] = true
		}
		p := purges{next: next}
		if list := p.take(); len(list) != want || (list[0].Selector == invalidation.All) != (want == 1) {
			t.Errorf("%d selectors are %d records", n, len(list))
		}
	}
}
