package invalidation

import (
	"context"
	"sync"
	"time"
)

// maxWakes is how many wake-ups a process may append in a minute. The log holds a limited number of records, and a process that starts
// uses nothing older than the first of them, so records that invalidate nothing must not push others out.
const maxWakes = 60

// Wake wakes all that wait for Next, in any process. It appends a purge without selectors, which invalidates nothing. Every rule about
// positions, acknowledgements and lost records holds for it as for any purge, and releases that knew no wake-ups read it as what it
// is. It is a hint: beyond maxWakes a minute nothing is appended, and what fails is not repeated.
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
