package middleware

import (
	"sync"
	"time"
)

// landing is how a flight ended for those who waited for it.
type landing uint8

const (
	inFlight landing = iota
	shared           // its response is stored and may answer others
	refused          // its answer may not be shared: everyone runs by himself
	failed           // it panicked, failed or ran out of time: one waiter takes over
)

// flight is one run of a handler that others may wait for. After done is closed its fields do not change.
type flight struct {
	key   string
	began time.Time
	done  chan struct{}
	how   landing
	s     *response       // with shared
	saved <-chan struct{} // set by the run before it lands; closed when the remote tier has the response
}

// flights are the runs in progress, at most one a key that can be joined. The zero value is ready.
// The lock guards the map and the landing of every flight; nobody waits while holding it.
type flights struct {
	mu     sync.Mutex
	flying map[string]*flight
}

// join returns the flight of a key, and whether the caller leads it and so must land it. A flight that mayJoin refuses, because
// it is too old for the caller, is replaced: its own waiters stay with it.
func (fs *flights) join(key string, now time.Time, mayJoin func(*flight) bool) (f *flight, leads bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f = fs.flying[key]; f != nil && mayJoin(f) {
		return f, false
	}
	if fs.flying == nil {
		fs.flying = make(map[string]*flight)
	}
	f = &flight{key: key, began: now, done: make(chan struct{})}
	fs.flying[key] = f
	return f, true
}

// land ends a flight once; later calls change nothing. A nil flight is one that nobody can join.
func (fs *flights) land(f *flight, how landing, s *response) {
	if f == nil {
		return
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f.how != inFlight {
		return
	}
	f.how, f.s = how, s
	if fs.flying[f.key] == f {
		delete(fs.flying, f.key)
	}
	close(f.done)
}
