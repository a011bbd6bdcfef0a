package middleware

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestIndexThatAnotherReplicaGaveUp: in the view of another replica an index was over, and it has stored a response without Vary in its
// place. That must not hide what is stored after it.
func TestIndexThatAnotherReplicaGaveUp(t *testing.T) {
	for name, memory := range map[string]int64{"memory": 0, "no memory": -1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const key = "larder:example.com/()"
				f, vary := new(fragile), ""
				o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Vary", vary)
					_, _ = io.WriteString(w, "for "+r.Header.Get(vary))
				}}
				h := newTestCache(t, Options{Store: f, MemoryBytes: memory}).For(10*time.Second, Stale(time.Hour))(o)
				ask := func(agent, body string) {
					t.Helper()
					expect(t, get(t, h, "/", "User-Agent", agent), http.StatusOK, body, "X-Cache", "Hit")
					synctest.Wait()
				}
				get(t, h, "/")
				synctest.Wait()
				theirs := bytes.Clone(f.values[key])
				time.Sleep(11 * time.Second)
				vary = "User-Agent"
				ask("a", "for ")
				ask("a", "for a")
				f.set(func() { f.values[key] = theirs })
				ask("b", "for ") // stale, while it is refreshed
				ask("b", "for b")
				get(t, h, "/", "User-Agent", "a")
				synctest.Wait()
				runs := o.runs.Load()
				for range 3 {
					ask("a", "for a")
					ask("b", "for b")
				}
				o.ran(t, runs)
			})
		})
	}
}
