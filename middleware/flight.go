package middleware

import (
	"strings"
	"sync"
	"time"
)

// landing is how a flight ended for those who waited for it.
type landing uint8

const (
	inFlight  landing = iota
	shared            // its response is stored and may answer others
	refused           // its answer may not be shared: everyone runs by himself
	failed            // it panicked, failed or ran out of time: one waiter takes over
	overtaken         // its response was purged meanwhile: it is for those who came before its handler began, and one of the others takes over
)

// takeover is how long a run may take before one of those who wait starts another beside it.
const takeover = 5 * time.Second

// flight is one run of a handler that others may wait for, or several where the first takes long: the first answer is for all
// that wait, and it has failed when the last of them has. After it has landed how, s and saved do not change.
type flight struct {
	key    string
	began  time.Time     // for the first run
	latest time.Time     // when the last run began
	runs   int           // under way
	done   chan struct{} // closed when it lands; nil until somebody waits
	how    landing
	s      *response       // with shared; with overtaken too, or nil
	saved  <-chan struct{} // likewise; closed when the remote tier has the response
}

// flights are the runs in progress, at most one a key that can be joined. The zero value is ready.
// The lock guards the map and the fields of every flight in it; nobody waits while holding it.
type flights struct {
	mu     sync.Mutex
	flying map[string]*flight
}

// join returns the flight of a key, and whether the caller leads it and so must land it. A flight that mayJoin refuses, because
// it is too old for the caller, is replaced: its own waiters stay with it. The key may alias a buffer.
func (fs *flights) join(key string, now time.Time, mayJoin func(*flight) bool) (f *flight, leads bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f = fs.flying[key]; f != nil && mayJoin(f) {
		if f.done == nil {
			f.done = make(chan struct{})
		}
		return f, false
	}
	if fs.flying == nil {
		fs.flying = make(map[string]*flight)
	}
	f = &flight{key: strings.Clone(key), began: now, latest: now, runs: 1}
	fs.flying[f.key] = f
	return f, true
}

// takeOver reports whether the caller is to run the handler beside the runs that take too long, and otherwise how much longer
// he waits before he asks again.
func (fs *flights) takeOver(f *flight, now time.Time) (leads bool, patience time.Duration) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	patience = takeover - now.Sub(f.latest)
	if f.how != inFlight || patience > 0 {
		return false, max(patience, time.Millisecond)
	}
	f.runs++
	f.latest = now
	return true, 0
}

// land ends one run of a flight, and the flight with it unless it failed and others go on. Once a flight has landed, later
// calls change nothing. A nil flight is one that nobody can join.
func (fs *flights) land(f *flight, how landing, s *response, saved <-chan struct{}) {
	if f == nil {
		return
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f.runs--
	if f.how != inFlight || how >= failed && f.runs > 0 {
		return
	}
	f.how, f.s, f.saved = how, s, saved
	if fs.flying[f.key] == f {
		delete(fs.flying, f.key)
	}
	if f.done != nil {
		close(f.done)
	}
}

// saving returns the channel that is closed when the remote tier has the flight's response, or nil.
func (fs *flights) saving(f *flight) <-chan struct{} {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return f.saved
}
