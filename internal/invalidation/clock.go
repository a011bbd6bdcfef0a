package invalidation

import (
	"math"
	"time"
)

// instant is one reading of both clocks in nanoseconds, each since an origin of its own.
//
// Go's monotonic clock stops while the machine is suspended, the wall clock may be set back: each alone can hide that time went by.
type instant struct{ mono, wall int64 }

var (
	origin = time.Now()
	never  = instant{math.MinInt64 / 2, math.MinInt64 / 2}
)

func at(t time.Time) instant { return instant{mono: int64(t.Sub(origin)), wall: t.UnixNano()} }

// since returns the time from b to a by the clock that says more. A wall clock that was set forward makes it too long, which costs misses until the next read.
func (a instant) since(b instant) time.Duration {
	return time.Duration(max(a.mono-b.mono, a.wall-b.wall))
}
