package fleet

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// database holds the versions of items that the replicas' handlers tell. It never fails, though some reads answer late, with
// what was true when they began.
type database struct {
	url string

	mu       sync.Mutex
	versions map[string]int // guarded by mu
	sluggish bool           // guarded by mu
}

func newDatabase(t *testing.T) *database {
	d := &database{versions: make(map[string]int)}
	server := httptest.NewServer(http.HandlerFunc(d.answer))
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

func (d *database) answer(w http.ResponseWriter, r *http.Request) {
	version, slow := d.read(r.URL.Path[1:])
	if slow {
		time.Sleep(rand.N(3 * lease() / 2))
	}
	fmt.Fprint(w, version)
}

func (d *database) read(id string) (version int, slow bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.versions[id], d.sluggish && rand.IntN(50) == 0
}

// bump commits a change of an item and returns its new version.
func (d *database) bump(id string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.versions[id]++
	return d.versions[id]
}

func (d *database) beSluggish() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sluggish = true
}
