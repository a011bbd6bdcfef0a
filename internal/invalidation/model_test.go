package invalidation

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// The model is a fleet of three processes over simulated servers, networks and clocks, all in one goroutine and decided by one seed. The
// protocol in it is the real one. It checks the promise at every response.

const (
	modelLease = 2 * time.Second
	modelTime  = 25 * time.Second
	calmTime   = 12 * time.Second
	keys       = 3
)

// Rules that live around the core: in the scripts, and in whoever fills.
const (
	provenByWrite rule = 1 << (iota + 24) // only a server that takes writes vouches for the log
	notedBefore                           // a fill notes the position before its handler runs
	waitersCheck                          // a waiter checks what the flight brought
)

var (
	tag       = Select(Tag, "t")
	selectors = [keys][]Selector{
		{Select(Key, "0"), tag},
		{Select(Key, "1"), tag, Select(Tag, "u")},
		{Select(Key, "2"), Select(Tag, "u")},
	}
)

// profile says how often which fault happens.
type profile struct {
	loss                  float64       // of messages
	slow                  float64       // of handlers
	faultEvery            time.Duration // mean time between faults; 0 is none
	faults                []func(*world)
	nameless, lag, skewed bool
}

// reused is for leaving out rules only: where nobody can tell one history from the next, servers whose clocks differ may give one id twice.
var reused = profile{
	loss: 0.05, slow: 0.3, faultEvery: 1500 * time.Millisecond,
	faults: []func(*world){failOver, rollBack, serverStep, serverStep}, nameless: true, skewed: true,
}

var profiles = map[string]profile{
	"lag":        {loss: 0.02, slow: 0.2, lag: true},
	"lost acks":  {loss: 0.3, slow: 0.2},
	"partitions": {loss: 0.02, slow: 0.1, faultEvery: 3 * time.Second, faults: []func(*world){cutOff}},
	"failovers":  {loss: 0.02, slow: 0.2, faultEvery: 4 * time.Second, faults: []func(*world){failOver, rollBack}, skewed: true},
	"erasures":   {loss: 0.05, slow: 0.2, faultEvery: 2 * time.Second, faults: []func(*world){flush, trim, cutOff, serverStep}, skewed: true},
	"clocks":     {loss: 0.02, slow: 0.2, faultEvery: time.Second, faults: []func(*world){suspend, pause, serverStep}, skewed: true},
	"steps":      {loss: 0.02, slow: 0.2, faultEvery: time.Second, faults: []func(*world){wallStep, pause, serverStep, failOver}},
	"restarts":   {loss: 0.05, slow: 0.1, faultEvery: 2 * time.Second, faults: []func(*world){restart, cutOff}},
	"everything": {
		loss: 0.1, slow: 0.3, faultEvery: time.Second, lag: true, skewed: true,
		faults: []func(*world){cutOff, failOver, rollBack, flush, trim, suspend, pause, serverStep, restart},
	},
	"stale primaries": {loss: 0.02, slow: 0.1, faultEvery: 4 * time.Second, faults: []func(*world){failOver}},
	"trims":           {loss: 0.02, slow: 0.3, faultEvery: time.Second, faults: []func(*world){trim, trim, cutOff}},
	"deletions":       {loss: 0.02, slow: 0.3, faultEvery: time.Second, faults: []func(*world){flush, serverStep}, skewed: true},
	"split brain":     {loss: 0.02, slow: 0.1, faultEvery: 6 * time.Second, faults: []func(*world){splitBrain}, skewed: true},
	"detours":         {loss: 0.02, slow: 0.1, faultEvery: time.Second, faults: []func(*world){detour, detour, cutOff, pause}},
	"nameless":        {loss: 0.05, slow: 0.1, faultEvery: 3 * time.Second, faults: []func(*world){failOver, rollBack, cutOff}, nameless: true},
}

// order is one purge, and what every later response has to show for it.
type order struct {
	by       *process
	record   Record
	sequence uint64
	versions map[int]int
	begun    time.Duration
	returned bool          // Append returned nil
	counts   bool          // the promise runs
	since    time.Duration // the time from which it does
	void     bool          // the purge was lost with its process: not covered
}

type saved struct {
	position Position
	version  int
}

type world struct {
	profile   profile
	rules     rules
	random    *rand.Rand
	now       time.Duration
	events    queue
	sequence  int
	histories int

	nodes     []*node
	primary   *node
	processes []*process
	data      [keys]int
	store     [keys][]saved // all that was ever stored: a read may return any of the last few
	orders    []*order
	torn      bool          // servers lost what they acknowledged in a way that the promise excludes, and it is not yet repaired
	tornAt    time.Duration // when, or when it ended

	calm            bool // no faults and no purges any more
	hits, responses int
	failure         string
}

func newWorld(seed uint64, p profile, leftOut rule) *world {
	w := &world{profile: p, rules: rules{leftOut}, random: rand.New(rand.NewPCG(seed, 4))}
	w.at(0, w.replicate)
	for range 3 {
		n := &node{w: w, up: true}
		if p.skewed {
			n.skew = w.between(-3*time.Second, 3*time.Second)
		}
		n.skew += time.Hour
		w.nodes = append(w.nodes, n)
	}
	w.primary = w.nodes[0]
	w.primary.primary, w.primary.history = true, w.freshHistory()
	for i := range 3 {
		w.start(i)
	}
	w.repeatedly(700*time.Millisecond, func() { w.processes[w.random.IntN(3)].live((*process).purge) })
	w.repeatedly(900*time.Millisecond, func() { w.processes[w.random.IntN(3)].live((*process).wake) })
	if p.faultEvery > 0 {
		w.repeatedly(p.faultEvery, func() { p.faults[w.random.IntN(len(p.faults))](w) })
	}
	return w
}

// run lets everything happen, then lets the faults end and checks that the fleet gets over them.
func (w *world) run() {
	w.until(modelTime)
	w.profile.loss, w.profile.lag, w.calm = 0, false, true
	w.until(modelTime + calmTime)
	for _, p := range w.processes {
		if w.failure == "" && (!p.follows(w.primary) || p.core.owed.count.Load() > 0 || w.now-p.provenSince > modelLease) {
			w.failure = fmt.Sprintf("process %d did not recover: it follows %+v, owes %d purges and proved the log at %v",
				p.index, p.core.view.Load().log, p.core.owed.count.Load(), p.provenSince)
		}
	}
}

func (w *world) until(end time.Duration) {
	for w.failure == "" && w.now < end {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
		w.account()
	}
}

// account notes since when the promise runs for each purge.
func (w *world) account() {
	if w.torn && w.healed() {
		w.torn = false
	}
	for _, o := range w.orders {
		switch {
		case o.counts || o.void:
		case o.by.dead && (w.torn || !o.returned):
			o.void = true
		case w.torn || !o.returned && o.by.owes(o):
		default:
			o.counts, o.since = true, w.now
		}
	}
}

// tear starts a time in which the promise does not hold, by the profile's definition: purges of the last while may be lost.
func (w *world) tear() {
	w.torn, w.tornAt = true, w.now
	for _, o := range w.orders {
		if o.counts && o.since > w.now-10*time.Second {
			o.counts = false
		}
	}
}

// healed says whether every process proved the log again since then and has nothing left to repeat.
func (w *world) healed() bool {
	for _, p := range w.processes {
		if p.provenSince <= w.tornAt || p.core.owed.count.Load() > 0 || !p.follows(w.primary) {
			return false
		}
	}
	return true
}

// served checks the promise for one response.
func (w *world) served(p *process, r *request, s *stored, from string) {
	w.responses++
	if from == "memory" || from == "store" {
		w.hits++
	}
	for _, o := range w.orders {
		want, covered := o.versions[r.key]
		if !covered || s.version >= want {
			continue
		}
		if o.by == p && r.arrived >= o.begun && (s.stamp.here || !w.torn || !w.profile.nameless) {
			w.fail("served its own purge", p, r, s, from, o)
		}
		if o.counts && r.arrived > o.since+modelLease {
			w.fail("broke the promise", p, r, s, from, o)
		}
	}
}

func (w *world) fail(what string, p *process, r *request, s *stored, from string, o *order) {
	w.failure = fmt.Sprintf("at %v process %d %s: key %d from %s at version %d, arrived %v; process %d had purged to version %d at %v, in force since %v",
		w.now, p.index, what, r.key, from, s.version, r.arrived, o.by.index, o.versions[r.key], o.begun, o.since)
}

func (w *world) pickRecord() (Record, []int) {
	soft := w.random.IntN(4) == 0
	switch w.random.IntN(6) {
	case 0:
		return Record{All, soft}, []int{0, 1, 2}
	case 1, 2:
		return Record{tag, soft}, []int{0, 1}
	default:
		k := w.random.IntN(keys)
		return Record{selectors[k][0], soft}, []int{k}
	}
}

func (w *world) fetch(key int) *saved {
	all := w.store[key]
	if len(all) == 0 || w.chance(0.2) {
		return nil
	}
	return &all[len(all)-1-w.random.IntN(min(3, len(all)))]
}

func (w *world) nudge() {
	for _, p := range w.processes {
		if !w.profile.lag && w.chance(0.7) {
			p.later(w.delay(), p.startRound)
		}
	}
}

func (w *world) delay() time.Duration {
	if w.chance(0.05) || w.profile.lag && w.chance(0.3) {
		return w.between(0, 700*time.Millisecond)
	}
	return w.between(0, 20*time.Millisecond)
}

func (w *world) handlerTime() time.Duration {
	if w.chance(w.profile.slow) {
		return w.between(0, 6*time.Second)
	}
	return w.between(0, 60*time.Millisecond)
}

func (w *world) between(a, b time.Duration) time.Duration {
	return a + time.Duration(w.random.Int64N(int64(b-a)+1))
}

func (w *world) chance(p float64) bool { return w.random.Float64() < p }

func (w *world) repeatedly(mean time.Duration, f func()) {
	w.at(w.now+w.between(0, 2*mean), func() {
		if !w.calm {
			f()
			w.repeatedly(mean, f)
		}
	})
}

func (w *world) at(t time.Duration, f func()) {
	w.sequence++
	heap.Push(&w.events, event{t, w.sequence, f})
}

type event struct {
	at    time.Duration
	order int
	do    func()
}

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

// modelRuns per profile; INVALIDATION_RUNS sets another number for a longer search.
func modelRuns(t *testing.T) int {
	text := os.Getenv("INVALIDATION_RUNS")
	if text == "" {
		return 250 / modelDivisor
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestModelKeepsPromise(t *testing.T) {
	runs := modelRuns(t)
	for name, p := range profiles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hits, responses := 0, 0
			for seed := range uint64(runs) {
				w := newWorld(seed, p, 0)
				w.run()
				hits, responses = hits+w.hits, responses+w.responses
				if w.failure != "" {
					t.Fatalf("seed %d: %s", seed, w.failure)
				}
			}
			t.Logf("%d runs, %d responses, %d%% hits", runs, responses, 100*hits/responses)
			if hits*5 < responses {
				t.Error("hardly any hits: a cache that keeps its promise by not caching")
			}
		})
	}
}
