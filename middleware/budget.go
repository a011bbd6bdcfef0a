package middleware

import (
	"sync/atomic"
	"time"
)

// defaultBudget is how many new entries a route may store in a minute.
const defaultBudget = 600_000

// budget counts the entries that a route stores in a minute. A flood of distinct URLs goes on being served, unstored.
type budget struct {
	limit  int
	minute atomic.Int64
	used   atomic.Int64
}

// take reports whether one more may be stored; a response that replaces another costs nothing.
func (b *budget) take(now time.Time, replaces bool) bool {
	if replaces {
		return true
	}
	minute, last := now.Unix()/60, b.minute.Load()
	if minute > last && b.minute.CompareAndSwap(last, minute) { // the clock of a slow run may be behind that of others
		b.used.Store(0)
	}
	return b.used.Add(1) <= int64(b.limit)
}
