package invalidation

import (
	"context"
	"sync"
	"time"
)

// maxWakes is how many wake-ups a process may append in a minute. What the log no longer holds makes stored responses unusable for
// whoever starts later, so that records which invalidate nothing must not fill it.
const maxWakes = 60

// Wake tells all who wait for Next, in any process, to look up. It appends a record that invalidates nothing: a purge without
// selectors, which is told from others by nothing, so that every rule about positions, acknowledgements and lost records holds for
// it, and earlier releases, to which it is a purge of nothing, read past it. It is a hint: beyond a rate nothing is appended, and
// what fails is not repeated.
func (l *Log) Wake(ctx context.Context) error {
	if l.stream == nil || !l.wakes.admit(time.Now()) {
		return nil
	}
	_, err := l.append(ctx, nil)
	return err
}

// Next returns a channel that is closed when the log has been read to its tail the next time: soon after it grew, and now and then
// without that. In a log without Redis it never is.
func (l *Log) Next() <-chan struct{} { return l.rounds.next() }

// wakes counts what is appended in a minute. The zero value is ready.
type wakes struct {
	mu     sync.Mutex
	minute int64
	used   int
}

func (w *wakes) admit(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if minute := now.Unix() / 60; w.minute != minute {
		w.minute, w.used = minute, 0
	}
	w.used++
	return w.used <= maxWakes
}
