package invalidation

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/larderhq/larder/internal/redistest"
)

// TestWake: a wake-up reaches every process and invalidates nothing, neither for those who follow nor for those who start with it.
func TestWake(t *testing.T) {
	client := redistest.Start(t).Client()
	config := Config{Client: client, Lease: time.Minute} // rounds come by growth only
	a, b := open(t, config), open(t, config)
	if !a.Wait(t.Context(), Position{}) || !b.Wait(t.Context(), Position{}) {
		t.Fatal("not followed")
	}
	selectors := []Selector{Select(Tag, "t")}
	note := a.Note()
	mine, theirs := note.Stamp(selectors), note.Position.Stamp(selectors)
	next := b.Next()
	if err := a.Wake(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-next
	if a.Usable(mine, time.Now()) != Valid || b.Usable(theirs, time.Now()) != Valid {
		t.Error("a wake-up invalidates")
	}
	if n := a.Pending() + b.Pending(); n != 0 {
		t.Errorf("%d purges pending", n)
	}
	late := open(t, config)
	if !late.Wait(t.Context(), Position{}) || late.Usable(note.Position.Stamp(selectors), time.Now()) != Valid {
		t.Error("a wake-up invalidates for a process that starts")
	}
}

// TestWakesAreFew: they do not push purges out of the log.
func TestWakesAreFew(t *testing.T) {
	client := redistest.Start(t).Client()
	l := open(t, Config{Client: client})
	if !l.Wait(t.Context(), Position{}) {
		t.Fatal("not followed")
	}
	for range 3 * maxWakes {
		if err := l.Wake(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := client.XLen(t.Context(), logKey).Val(); n > 2*maxWakes+1 { // two, as a minute may begin meanwhile
		t.Errorf("%d records", n)
	}
	synctest.Test(t, func(t *testing.T) {
		var w wakes
		admitted := 0
		for range 10 * 60 {
			if w.admit(time.Now()) {
				admitted++
			}
			time.Sleep(time.Second / 2)
		}
		if admitted != 5*maxWakes {
			t.Errorf("%d in five minutes", admitted)
		}
	})
}

// TestWakeAtHome: a log in this process has nobody to wake.
func TestWakeAtHome(t *testing.T) {
	l := New(Config{})
	before := l.Note().Position
	if err := l.Wake(t.Context()); err != nil || l.Note().Position != before {
		t.Errorf("%v, moved from %v to %v", err, before, l.Note().Position)
	}
}
