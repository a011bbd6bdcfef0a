package invalidation

import (
	"fmt"
	"testing"
	"time"
)

func second(n int64) instant { return instant{n * 1e9, n * 1e9} }

const coreLease = 2 * time.Second

// read feeds the core one reply, as if its query had been sent at a time.
func (c *core) answer(sent instant, records ...record) outcome {
	return c.apply(c.next(sent), reply{history: "h", records: records}, sent)
}

var beginning = record{id: id{1, 0}, generation: 7}

// attachedCore follows a log that holds nothing but its beginning, and heard of it at zero.
func attachedCore(t *testing.T) *core {
	t.Helper()
	c := newCore(coreLease)
	if done := c.answer(second(0), beginning); !done.reset || done.again {
		t.Fatalf("attaching: %+v", done)
	}
	return c
}

// atStep runs f at the nth step of what the core does next.
func (c *core) atStep(n int, f func()) (reached func() bool) {
	count := 0
	c.pause = func() {
		if count++; count == n {
			f()
		}
	}
	return func() bool { return count >= n }
}

// TestNoStepLetsAPurgeSlip applies a purge at each step of a judgement, and judges at each step of a purge. The request arrived when the lease
// had run out, so that what the purge's read was heard at must not count for a judgement that did not see the purge.
func TestNoStepLetsAPurgeSlip(t *testing.T) {
	selector := Select(Tag, "t")
	purged := record{id: id{2, 0}, generation: 7, records: []Record{{Selector: selector}}}
	purge := func(c *core) func() { return func() { c.answer(second(9), beginning, purged) } }
	judge := func(c *core, s *Stamp) State { return c.usable(s, second(10)) }
	for n := 1; ; n++ {
		c := attachedCore(t)
		s := c.note(time.Time{}).Position.Stamp([]Selector{selector})
		c.usable(s, second(1)) // Remembered as valid.
		reached := c.atStep(n, purge(c))
		if got := judge(c, s); got != Invalid {
			t.Errorf("purged at step %d of a remembered judgement: %v", n, got)
		}
		c.pause = nil
		if got := judge(c, s); got != Invalid {
			t.Errorf("after a purge at step %d of a remembered judgement: %v", n, got)
		}
		if !reached() {
			break
		}
	}
	for n := 1; ; n++ {
		c := attachedCore(t)
		s := c.note(time.Time{}).Position.Stamp([]Selector{selector})
		reached := c.atStep(n, purge(c))
		c.usable(s, second(1))
		c.pause = nil
		if got := judge(c, s); got != Invalid {
			t.Errorf("after a purge at step %d of a first judgement: %v", n, got)
		}
		if !reached() {
			break
		}
	}
	for n := 1; ; n++ {
		c := attachedCore(t)
		s := c.note(time.Time{}).Position.Stamp([]Selector{selector})
		reached := c.atStep(n, func() {
			if got := judge(c, s); got != Invalid {
				t.Errorf("judged at step %d of a purge: %v", n, got)
			}
		})
		purge(c)()
		c.pause = nil
		if got := judge(c, s); got != Invalid {
			t.Errorf("judged again after step %d of a purge: %v", n, got)
		}
		if !reached() {
			return
		}
	}
}

// TestNoStepLetsAnOwnPurgeSlip judges at each step from the beginning of an own purge to its acknowledgement, and lets it be
// acknowledged at each step of a judgement.
func TestNoStepLetsAnOwnPurgeSlip(t *testing.T) {
	selector := Select(Tag, "t")
	records := []Record{{Selector: selector}}
	settle := func(c *core, p purge) {
		if err := c.settle(p, Position{"h", 7, 2, 0}, second(1)); err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; ; n++ {
		c := attachedCore(t)
		s := c.note(time.Time{}).Position.Stamp([]Selector{selector})
		c.usable(s, second(1))
		begun := false
		reached := c.atStep(n, func() {
			if got := c.usable(s, second(1)); begun && got != Invalid {
				t.Errorf("judged at step %d: %v", n, got)
			}
		})
		p := c.begin(records)
		begun = true
		if got := c.usable(s, second(1)); got != Invalid {
			t.Errorf("judged after a beginning that was judged at step %d: %v", n, got)
		}
		settle(c, p)
		c.pause = nil
		if got := c.usable(s, second(1)); got != Invalid {
			t.Errorf("judged again after step %d: %v", n, got)
		}
		if !reached() {
			break
		}
	}
	for n := 1; ; n++ {
		c := attachedCore(t)
		s := c.note(time.Time{}).Position.Stamp([]Selector{selector})
		p := c.begin(records)
		reached := c.atStep(n, func() { settle(c, p) })
		if got := c.usable(s, second(1)); got != Invalid {
			t.Errorf("acknowledged at step %d of a judgement: %v", n, got)
		}
		if !reached() {
			return
		}
	}
}

// TestAcknowledgementFreesLaterEntries: the follower may read an own purge before its acknowledgement comes. What others filled after it is
// unusable while it is pending, and must not be remembered as that.
func TestAcknowledgementFreesLaterEntries(t *testing.T) {
	c := attachedCore(t)
	records := []Record{{Selector: Select(Tag, "t")}}
	p := c.begin(records)
	c.answer(second(0), beginning, record{id: id{2, 0}, generation: 7, records: records})
	later := c.note(time.Time{}).Position.Stamp([]Selector{Select(Tag, "t")})
	if got := c.usable(later, second(1)); got != Invalid {
		t.Errorf("pending: %v", got)
	}
	if err := c.settle(p, Position{"h", 7, 2, 0}, second(1)); err != nil {
		t.Fatal(err)
	}
	if got := c.usable(later, second(1)); got != Valid {
		t.Errorf("acknowledged: %v", got)
	}
}

func TestLeaseAtArrival(t *testing.T) {
	c := attachedCore(t) // heard at 0
	foreign := c.note(time.Time{}).Position.Stamp(nil)
	own := c.note(time.Time{}).Stamp(nil)
	own.began = second(3)
	for _, test := range []struct {
		name    string
		s       *Stamp
		arrived instant
		want    State
	}{
		{"within the lease", foreign, second(2), Valid},
		{"after it", foreign, second(3), Invalid},
		{"after it by the wall clock alone", foreign, instant{2e9, 3e9}, Invalid},
		{"within it, the wall clock set back", foreign, instant{2e9, -3e9}, Valid},
		{"begun here within the lease", own, second(5), Valid},
		{"begun here before it", own, second(6), Invalid},
		{"begun here within it by the monotonic clock alone", own, instant{5e9, 6e9}, Invalid},
	} {
		if got := c.usable(test.s, test.arrived); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	if c.joinable(second(3), second(6)) || !c.joinable(second(4), second(6)) {
		t.Error("a waiter joins a flight within the lease only")
	}
}

func TestUsableAllocatesNothing(t *testing.T) {
	now := time.Now()
	for _, c := range []*core{newSolo(1), attachedCore(t)} {
		l := &Log{core: c}
		s := l.Note().Stamp([]Selector{Select(Key, "k"), Select(Tag, "t")})
		if n := testing.AllocsPerRun(100, func() { l.Usable(s, now) }); n != 0 {
			t.Errorf("remembered: %v allocations", n)
		}
		c.begin([]Record{{Selector: 5}})
		if n := testing.AllocsPerRun(100, func() { c.version.Add(1); l.Usable(s, now) }); n != 0 {
			t.Errorf("judged with a pending purge: %v allocations", n)
		}
	}
}

func TestManyPendingPurgesBecomeOne(t *testing.T) {
	c := attachedCore(t)
	for i := range maxDebts + 1 {
		c.fail(c.begin([]Record{{Selector: Selector(i + 1)}}))
	}
	p, ok := c.again()
	if !ok || len(p.claims) != 1 || p.claims[0].Selector != All || p.claims[0].sequence != maxDebts+1 {
		t.Fatalf("%v, %d claims, first %+v", ok, len(p.claims), p.claims[0])
	}
	if err := c.settle(p, Position{"h", 7, 2, 0}, second(1)); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.again(); ok {
		t.Error("still owed after the acknowledgement")
	}
}

func TestFollowed(t *testing.T) {
	c := attachedCore(t)
	head := Position{"h", 7, 1, 0}
	beyond := Position{"h", 7, 9, 0}
	for _, test := range []struct {
		p     Position
		since instant
		want  bool
	}{
		{head, second(1), true},
		{beyond, second(1), false},
		{beyond, second(0), true},
		{Position{"other", 7, 1, 0}, second(1), false},
		{Position{}, second(1), false},
	} {
		if got := c.followed(test.p, test.since); got != test.want {
			t.Errorf("%v since %v: %v", test.p, test.since, got)
		}
	}
	if newCore(coreLease).followed(Position{}, second(0)) {
		t.Error("followed before it was ever attached")
	}
}

func ExampleSelect() {
	fmt.Println(Select(Tag, "a") == Select(Path, "a"), Select(Everything, "whatever") == All)
	// Output: false true
}
