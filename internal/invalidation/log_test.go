package invalidation

import (
	"testing"
	"time"
)

// Pending is how many own invalidations the log did not take yet.
func (l *Log) Pending() int { return int(l.core.owed.count.Load()) }

func TestInProcess(t *testing.T) {
	tag, other := Select(Tag, "a"), Select(Tag, "b")
	for _, test := range []struct {
		name   string
		record Record
		want   State
	}{
		{"its tag", Record{Selector: tag}, Invalid},
		{"its tag softly", Record{Selector: tag, Soft: true}, Expired},
		{"another tag", Record{Selector: other}, Valid},
		{"a path of that name", Record{Selector: Select(Path, "a")}, Valid},
		{"everything", Record{Selector: All}, Invalid},
		{"everything softly", Record{Selector: All, Soft: true}, Expired},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := New(Config{})
			before := l.Note().Stamp([]Selector{tag})
			if got := l.Usable(before, time.Now()); got != Valid {
				t.Fatalf("before: %v", got)
			}
			if _, err := l.Append(t.Context(), test.record); err != nil {
				t.Fatal(err)
			}
			if got := l.Usable(before, time.Now()); got != test.want {
				t.Errorf("filled before: %v, want %v", got, test.want)
			}
			if got := l.Usable(l.Note().Stamp([]Selector{tag}), time.Now()); got != Valid {
				t.Errorf("filled after: %v, want %v", got, Valid)
			}
			foreign := New(Config{}).Note().Position.Stamp(nil)
			if got := l.Usable(foreign, time.Now()); got != Invalid {
				t.Errorf("of another life: %v, want %v", got, Invalid)
			}
		})
	}
}
