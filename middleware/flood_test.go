package middleware

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestFlood: a flood of distinct URLs neither gets memory over its budget nor drives out what is asked for again and again.
func TestFlood(t *testing.T) {
	const budget = 2 << 20
	cache := newTestCache(t, Options{MemoryBytes: budget})
	body := strings.Repeat("x", 2000)
	h := cache.For(time.Hour)(&origin{answer: says(body)})
	hot := func(n int) bool { return get(t, h, "/hot/"+strconv.Itoa(n%100)).Header().Get("X-Cache") == "Hit" }
	for n := range 1000 {
		hot(n)
	}
	asked, hits := 0, 0
	for n := range 10_000 {
		get(t, h, "/flood?n="+strconv.Itoa(n))
		if n%4 == 0 {
			hit := hot(n / 4)
			if n < 2000 { // what is asked for often has to be found out first
				continue
			}
			asked++
			if hit {
				hits++
			}
		}
		if s := cache.Stats(); n%100 == 0 && (s.Bytes > budget || s.Bytes < 0) {
			t.Fatalf("memory holds %d bytes of %d", s.Bytes, budget)
		}
	}
	if hits < asked*99/100 {
		t.Errorf("%d of %d requests for hot keys hit", hits, asked)
	}
	if s := cache.Stats(); s.Entries == 0 || s.Entries > budget/len(body) {
		t.Errorf("%d entries", s.Entries)
	}
}

// TestBudgetOfARoute: beyond it the route goes on serving, says so, keeps what it has up to date, and may store again in the
// next minute. Other routes have budgets of their own.
func TestBudgetOfARoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newTestCache(t, Options{})
		o := versions("", nil)
		h := cache.For(30*time.Second, Budget(3), Stale(time.Hour))(o)
		for n := range 3 {
			expect(t, get(t, h, "/"+strconv.Itoa(n)), http.StatusOK, strconv.Itoa(n+1), "Cache-Status", "stored")
		}
		for range 2 {
			w := get(t, h, "/3")
			expect(t, w, http.StatusOK, strconv.FormatInt(o.runs.Load(), 10), "Cache-Status", "larder; fwd=uri-miss; detail=budget")
		}
		if cache.refusals.recent("larder:example.com/3()", time.Now()) {
			t.Error("a lack of budget is remembered as if the answer could not be shared")
		}
		other := cache.For(time.Minute)(o)
		expect(t, get(t, other, "/other"), http.StatusOK, "6", "Cache-Status", "stored")
		time.Sleep(40 * time.Second)
		get(t, h, "/0")
		synctest.Wait()
		expect(t, get(t, h, "/0"), http.StatusOK, "7", "X-Cache", "Hit") // it was refreshed
		time.Sleep(30 * time.Second)
		expect(t, get(t, h, "/3"), http.StatusOK, "8", "Cache-Status", "stored")
	})
}

// TestFillBuffersAreBounded: what all runs together hold back has a bound; what exceeds it streams and is not stored.
func TestFillBuffersAreBounded(t *testing.T) {
	cache := newTestCache(t, Options{})
	o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		if r.URL.Query().Has("declared") {
			w.Header().Set("Content-Length", strconv.Itoa(100*n))
		}
		for range n {
			_, _ = io.WriteString(w, strings.Repeat("x", 100))
		}
	}}
	h := cache.For(time.Hour)(o)
	held := cache.maxFilling - 250
	cache.filling.Store(held)
	expect(t, get(t, h, "/?n=2"), http.StatusOK, strings.Repeat("x", 200), "Cache-Status", "stored")
	for range 2 {
		expect(t, get(t, h, "/?n=3"), http.StatusOK, strings.Repeat("x", 300), "Cache-Status", "larder; fwd=uri-miss; detail=budget")
	}
	w := &streamed{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, request(t.Context(), "/?n=3&declared"))
	if len(w.writes) != 3 { // nothing was held back that could not be held to the end
		t.Errorf("written in %d pieces", len(w.writes))
	}
	if n := cache.filling.Load(); n != held {
		t.Errorf("%d bytes were not given back", n-held)
	}
	cache.filling.Store(0)
	expect(t, get(t, h, "/?n=3"), http.StatusOK, strings.Repeat("x", 300), "Cache-Status", "stored")
}

// TestFloodOfVariants: a client that makes up values of a selecting field fills one key's share, not the memory, and what others use stays.
func TestFloodOfVariants(t *testing.T) {
	cache := newTestCache(t, Options{})
	o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept-Language")
		_, _ = io.WriteString(w, r.Header.Get("Accept-Language"))
	}}
	h := cache.For(time.Hour)(o)
	for n := range 10 * maxVariants {
		get(t, h, "/", "Accept-Language", "x"+strconv.Itoa(n))
		if w := get(t, h, "/", "Accept-Language", "x0"); w.Header().Get("X-Cache") != "Hit" {
			t.Fatalf("the variant in use went after %d others", n)
		}
	}
	if s := cache.Stats(); s.Entries > maxVariants {
		t.Errorf("%d entries", s.Entries)
	}
	if n := len(cache.tiers.index([]byte("larder:example.com/()")).Keys); n > maxVariants {
		t.Errorf("%d variants are known", n)
	}
}

// TestPauses: the table remembers a key for as long as it is told, and only that key.
func TestPauses(t *testing.T) {
	var table pauses
	now := time.Now()
	if table.recent("", now) || table.recent("a", now) {
		t.Error("an empty table remembers something")
	}
	table.add("a", now, refusalMemory)
	for at, want := range map[time.Duration]bool{0: true, refusalMemory - 1: true, refusalMemory: false, time.Hour: false} {
		if table.recent("a", now.Add(at)) != want {
			t.Errorf("after %v: %v", at, !want)
		}
	}
	if table.recent("b", now) || table.last("b") != 0 {
		t.Error("another key is remembered")
	}
	if d := table.last("a"); d != refusalMemory {
		t.Errorf("the last pause was %v", d)
	}
	for n := range 100_000 { // far more than there is room for
		table.add(strconv.Itoa(n), now, refusalMemory)
		if !table.recent(strconv.Itoa(n), now) {
			t.Fatalf("the last one, %d, is forgotten", n)
		}
	}
}
