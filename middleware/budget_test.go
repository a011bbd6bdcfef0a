package middleware

import (
	"testing"
	"time"
)

// TestBudgetAcrossMinutes: runs that answered before the minute was over and end after it do not open the budget anew.
func TestBudgetAcrossMinutes(t *testing.T) {
	b := budget{limit: 2}
	next := time.Unix(1_800_000_000, 0).Truncate(time.Minute)
	last := next.Add(-time.Nanosecond)
	for i, tt := range []struct {
		at       time.Time
		replaces bool
		want     bool
	}{
		{last, false, true},
		{last, false, true},
		{last, false, false},
		{last, true, true},
		{next, false, true},
		{last, false, true},
		{next, false, false},
		{last, false, false},
		{next.Add(time.Minute), false, true},
	} {
		if got := b.take(tt.at, tt.replaces); got != tt.want {
			t.Errorf("%d: got %v, want %v", i, got, tt.want)
		}
	}
}
