package soak

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	larder "github.com/larderhq/larder/middleware"
)

const (
	items       = 20
	lease       = time.Second
	memoryBytes = 4 << 20
)

// world is the data that handlers read: a version of each item.
type world struct {
	versions [items]atomic.Int64
}

// fleet is replicas that share an invalidation log.
type fleet struct {
	replicas []*replica
	mu       sync.Mutex
	acked    [items][]order // guarded by mu; purges that the log acknowledged less than a lease ago
	due      [items]int64   // guarded by mu; versions of those before
}

type order struct {
	version int64
	at      time.Time // after it had returned
}

// replica is one cache with its server. Own are the versions for which it purged an item itself.
type replica struct {
	fleet  *fleet
	cache  *larder.Cache
	server *httptest.Server
	own    [items]int64 // guarded by the fleet's mutex
}

// newFleet starts replicas on the clients; a nil one makes a replica with nothing but memory.
func (w *world) newFleet(t *testing.T, clients ...redis.UniversalClient) *fleet {
	t.Helper()
	f := &fleet{}
	for _, client := range clients {
		cache, err := larder.New(larder.Options{
			Redis: client, Lease: lease, MemoryBytes: memoryBytes, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		r := &replica{fleet: f, cache: cache}
		r.server = httptest.NewUnstartedServer(w.routes(r))
		r.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // the panics are wanted
		r.server.Start()
		t.Cleanup(func() {
			r.server.Close()
			if err := cache.Close(); err != nil {
				t.Error(err)
			}
		})
		f.replicas = append(f.replicas, r)
	}
	return f
}

// Routes of the service, without the item.
const (
	shared = "/shared/" // one response for all
	once   = "/once/"   // likewise, run once in the fleet
	ahead  = "/ahead/"  // likewise, refreshed before its end
	mine   = "/mine/"   // one for each user
	varied = "/varied/" // one for each language, which only the response says
	pages  = "/pages/"  // one for each of countless queries
)

var routes = []string{shared, once, ahead, mine, varied, pages}

func (w *world) routes(r *replica) http.Handler {
	c, tag := r.cache, larder.Tags("item:{id}")
	mux := http.NewServeMux()
	for route, cached := range map[string]func(http.Handler) http.Handler{
		shared: c.For(500*time.Millisecond, tag, larder.Stale(500*time.Millisecond)),
		once:   c.For(500*time.Millisecond, tag, larder.Stale(300*time.Millisecond), larder.Once()),
		ahead:  c.For(300*time.Millisecond, tag, larder.RefreshAhead()),
		mine:   c.For(time.Second, tag, larder.PerUser(func(r *http.Request) string { return r.Header.Get("Authorization") })),
		varied: c.FromHeaders(tag),
		pages:  c.For(time.Hour, tag, larder.Query("n")),
	} {
		mux.Handle("GET "+route+"{id}", cached(http.HandlerFunc(w.read)))
	}
	mux.Handle("POST "+shared+"{id}", c.Invalidates("item:{id}")(http.HandlerFunc(w.write)))
	return mux
}

func (w *world) write(rw http.ResponseWriter, r *http.Request) {
	fmt.Fprint(rw, w.versions[number(r.PathValue("id"))].Add(1))
}

// Troubles that a request may ask for, and gets if the handler runs for it. Those that fail the request come first.
var (
	failing  = []string{"panic", "abort", "error", "short"}
	troubles = append(failing[:len(failing):len(failing)], "cookie", "private", "flush", "slow")
)

// page is what a body says.
type page struct {
	target, user string
	version      int64
}

// everybody is the user of pages that are not personal.
const everybody = "everybody"

// text is a body of which every part depends on the page, so that none is exchanged or lacking unnoticed.
func (p page) text() string {
	head := fmt.Sprintf("%s %s %d ", p.target, p.user, p.version)
	return head + strings.Repeat(head, 2+int(p.version)%40)
}

// parsePage reads a body.
func parsePage(body string) (p page, ok bool) {
	words := strings.SplitN(body, " ", 4)
	if len(words) < 4 {
		return page{}, false
	}
	p = page{words[0], words[1], int64(number(words[2]))}
	return p, body == p.text()
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// read answers with a page, which it looks up before it gets into trouble.
func (w *world) read(rw http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	p := page{r.URL.RequestURI(), everybody, w.versions[number(id)].Load()}
	h := rw.Header()
	switch strings.TrimSuffix(r.URL.Path, id) {
	case mine:
		p.user = r.Header.Get("Authorization")
	case varied:
		p.user = r.Header.Get("Accept-Language")
		h.Set("Vary", "Accept-Language")
		h.Set("Cache-Control", "max-age=1")
	}
	time.Sleep(rand.N(5 * time.Millisecond))
	switch r.Header.Get("Trouble") {
	case "panic":
		panic("trouble")
	case "abort":
		fmt.Fprint(rw, p.text()[:10])
		panic(http.ErrAbortHandler)
	case "error":
		h.Del("Cache-Control") // which would let the error be stored
		rw.WriteHeader(http.StatusInternalServerError)
		return
	case "short":
		h.Set("Content-Length", strconv.Itoa(len(p.text())+1))
	case "cookie":
		p.user = r.Header.Get("User")
		h.Set("Set-Cookie", "user="+p.user)
	case "private":
		p.user = r.Header.Get("User")
		h.Set("Cache-Control", "private")
	case "flush":
		_ = http.NewResponseController(rw).Flush() // its client may be gone
	case "slow":
		time.Sleep(rand.N(200 * time.Millisecond))
	}
	_, _ = io.WriteString(rw, p.text()) // its client may be gone
}

// purged notes a purge that has returned. It is acknowledged where the log has it.
func (r *replica) purged(item int, version int64, acked bool) {
	f := r.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	r.own[item] = max(r.own[item], version)
	if acked {
		f.acked[item] = append(f.acked[item], order{version, time.Now()})
	}
}

// promised is the oldest version that a request which is sent now may get.
func (r *replica) promised(item int) int64 {
	f := r.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.acked[item]
	for len(list) > 0 && time.Since(list[0].at) > lease {
		f.due[item] = max(f.due[item], list[0].version)
		list = list[1:]
	}
	f.acked[item] = list
	return max(r.own[item], f.due[item])
}
