package store

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"go.uber.org/goleak"
)

func sizeOf(key string, v []byte) int { return len(key) + len(v) + 24 }

func TestMemory(t *testing.T) {
	t.Parallel()
	m := NewMemory(1<<20, sizeOf, nil)
	if _, found := m.Load("k"); found {
		t.Error("found what was never stored")
	}
	m.Store("k", []byte("one"))
	m.Store("k", []byte("two"))
	m.Store("l", []byte("three"))
	if v, found := m.Load("k"); !found || string(v) != "two" || m.Len() != 2 {
		t.Errorf("found %q, %v, of %d values", v, found, m.Len())
	}
	if want := int64(2*(1+24+memoryOverhead) + 3 + 5); m.Bytes() != want {
		t.Errorf("Bytes is %d, want %d", m.Bytes(), want)
	}
	m.Delete("k")
	if _, found := m.Load("k"); found {
		t.Error("found what was deleted")
	}
	m.Clear()
	if m.Len() != 0 || m.Bytes() != 0 {
		t.Errorf("after Clear: %d values, %d bytes", m.Len(), m.Bytes())
	}
}

func TestMemoryKeepsNothingHeavierThanTheBudget(t *testing.T) {
	t.Parallel()
	for _, budget := range []int64{1000, 1, 0, -1} {
		m := NewMemory(budget, sizeOf, nil)
		m.Store("k", []byte("light"))
		m.Store("k", make([]byte, 2000))
		if _, found := m.Load("k"); found || m.Len() != 0 {
			t.Errorf("with budget %d a value of 2000 bytes is kept, or the one before it", budget)
		}
	}
}

func TestMemoryClosed(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	m := NewMemory(1<<20, sizeOf, nil)
	for i := range 10_000 {
		m.Store(fmt.Sprint(i), make([]byte, 1000))
		m.Load(fmt.Sprint(i / 2))
	}
	m.Close()
	m.Close()
	m.Store("k", []byte("v"))
	if _, found := m.Load("k"); found || m.Len() != 0 {
		t.Error("a closed tier keeps values")
	}
}

func TestMemoryLoadAllocatesNothing(t *testing.T) {
	m := NewMemory(1<<20, sizeOf, nil)
	m.Store("the key", []byte("v"))
	if n := testing.AllocsPerRun(10_000, func() { m.Load("the key"); m.Load("no key") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestMemoryTellsWhatIsGone: once of each value that nobody finds any more, and not of one that is only weighed anew.
func TestMemoryTellsWhatIsGone(t *testing.T) {
	t.Parallel()
	gone := make(map[string]int)
	var mu sync.Mutex
	m := NewMemory(10*(1000+24+8+memoryOverhead), sizeOf, func(v []byte) {
		mu.Lock()
		defer mu.Unlock()
		gone[strings.TrimRight(string(v), " ")]++
	})
	isGone := func(when string, want ...string) {
		t.Helper()
		m.Bytes() // lets evictions that are due happen
		mu.Lock()
		defer mu.Unlock()
		for _, v := range want {
			if gone[v] != 1 {
				t.Errorf("%s: told %d times that %s is gone", when, gone[v], v)
			}
			delete(gone, v)
		}
		if len(gone) > 0 {
			t.Errorf("%s: gone are %v", when, gone)
		}
	}
	m.Store("k", []byte("one"))
	m.Reweigh("k")
	isGone("stored")
	m.Store("k", []byte("two"))
	isGone("replaced", "one")
	m.Delete("k")
	isGone("deleted", "two")
	m.Store("k", []byte("three"))
	m.Store("l", []byte("four"))
	m.Clear()
	isGone("cleared", "three", "four")
	m.Store("k", []byte("five"))
	m.Store("k", make([]byte, 1<<20))
	isGone("given up for a value that is too heavy", "five")
	for i := range 20 {
		m.Store(fmt.Sprint(i), fmt.Appendf(nil, "%-1000d", i))
	}
	m.Bytes()
	var want []string
	for i := range 20 {
		if _, found := m.Load(fmt.Sprint(i)); !found {
			want = append(want, fmt.Sprint(i))
		}
	}
	if len(want) < 10 {
		t.Errorf("only %v were evicted", want)
	}
	isGone("evicted", want...)
}

// TestMemoryLoadDoesNotKeepTheKey reads through a string over a buffer that changes at once, hits and misses, often
// enough for every buffer of the cache to be drained. Had one kept it, look-ups or evictions would go wrong.
func TestMemoryLoadDoesNotKeepTheKey(t *testing.T) {
	t.Parallel()
	m := NewMemory(100*(8+24+8+memoryOverhead), sizeOf, nil)
	for i := range 200 {
		m.Store(fmt.Sprintf("key%05d", i), fmt.Appendf(nil, "key%05d", i))
	}
	buf := []byte("key00000")
	for i := range 20_000 {
		copy(buf, fmt.Sprintf("key%05d", i%300))
		if v, found := m.Load(unsafe.String(&buf[0], len(buf))); found && string(v) != string(buf) {
			t.Fatalf("under %s is %s", buf, v)
		}
		copy(buf, "xxxxxxxx")
	}
	for key, v := range m.cache.All() {
		if key != string(v) {
			t.Errorf("under %s is %s", key, v)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const budget = 16 << 20
	before := heap()
	m := NewMemory(budget, func(_ string, e *Entry) int { return e.Size() }, nil)
	for i := range 100_000 {
		e := small(i)
		m.Store(e.Key, e)
	}
	if m.Bytes() > budget {
		t.Errorf("%d bytes weighed, budget %d", m.Bytes(), budget)
	}
	if held := heap() - before; held > budget+budget/5 || held < budget/2 {
		t.Errorf("%d bytes held, budget %d", held, budget)
	}
	runtime.KeepAlive(m)
}

// small is an entry as a flood of distinct URLs makes them.
func small(i int) *Entry {
	return &Entry{
		Key: fmt.Sprintf("larder:shop.example/search(q=%d)", i), Target: "shop.example/search", Status: 200,
		Fields: []Field{{Name: "Content-Type", Values: []string{"text/plain"}}}, Body: []byte(strings.Repeat("x", 200)),
	}
}

func heap() int64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// TestMemoryOverhead measures what the cache itself takes for a value that costs nothing.
func TestMemoryOverhead(t *testing.T) {
	const n = 100_000
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
	}
	v := new(Entry)
	before := heap()
	m := NewMemory(n*(memoryOverhead+8), func(string, *Entry) int { return 0 }, nil)
	for _, key := range keys {
		m.Store(key, v)
	}
	per := (heap() - before) / n
	t.Logf("%d bytes per entry", per)
	if per > memoryOverhead || per < memoryOverhead/2 {
		t.Errorf("an entry takes %d bytes beside its own, memoryOverhead says %d", per, memoryOverhead)
	}
	runtime.KeepAlive(m)
	runtime.KeepAlive(keys)
}

func TestMemoryScanDoesNotPushOutTheHot(t *testing.T) {
	t.Parallel()
	const hot = 100
	m := NewMemory(1<<20, sizeOf, nil)
	value := make([]byte, 1000)
	hits, asked := 0, 0
	for i := range 30_000 {
		key := fmt.Sprintf("hot%d", i%hot)
		asked++
		if _, found := m.Load(key); found {
			hits++
		} else {
			m.Store(key, value)
		}
		for j := range 3 {
			m.Store(fmt.Sprintf("scan%d.%d", i, j), value)
		}
	}
	if rate := float64(hits) / float64(asked); rate < 0.99 {
		t.Errorf("hit rate of the hot keys is %.4f", rate)
	}
}

func TestMemoryConcurrent(t *testing.T) {
	t.Parallel()
	m := NewMemory(64<<10, sizeOf, nil)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 5_000 {
				key := fmt.Sprint((w + i) % 200)
				switch i % 7 {
				case 0:
					m.Store(key, append([]byte(key), make([]byte, 500)...))
				case 1:
					m.Delete(key)
				case 2:
					m.Bytes()
				default:
					if v, found := m.Load(key); found && string(v[:len(key)]) != key {
						t.Errorf("under %s is %s", key, v)
					}
				}
			}
		})
	}
	wg.Wait()
	if m.Bytes() > 64<<10 {
		t.Errorf("%d bytes", m.Bytes())
	}
}

func BenchmarkMemoryLoad(b *testing.B) {
	m := NewMemory(64<<20, sizeOf, nil)
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("larder:shop.example/items/%d", i)
		m.Store(keys[i], make([]byte, 1000))
	}
	b.Run("one key", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.Load(keys[0])
		}
	})
	b.Run("10000 keys", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			m.Load(keys[i])
			i = (i + 1) % len(keys)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i = (i + 1) % len(keys) {
				m.Load(keys[i])
			}
		})
	})
}
