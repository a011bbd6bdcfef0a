package reference

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	larder "github.com/larderhq/larder/middleware"
)

const (
	scenarios = 14_000
	shards    = 4  // that run side by side
	steps     = 10 // that a scenario has at most; with its waits it stays within the hour that stale responses are kept
)

// TestAgainstReference plays 100,000 and more generated exchanges through Larder and compares what the client and the origin see
// with the model.
func TestAgainstReference(t *testing.T) {
	var mu sync.Mutex
	total := map[string]int{}
	t.Run("seeds", func(t *testing.T) {
		for shard := range uint64(shards) {
			t.Run(strconv.FormatUint(shard, 10), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					outcomes := playSeeds(t, shard)
					mu.Lock()
					defer mu.Unlock()
					for outcome, n := range outcomes {
						total[outcome] += n
					}
				})
			})
		}
	})
	checkCoverage(t, total)
}

// playSeeds plays one shard's scenarios against one cache and counts their outcomes.
func playSeeds(t *testing.T, shard uint64) map[string]int {
	t.Helper()
	cache, err := larder.New(larder.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cache.Close() }() // its errors are another test's
	p := &play{outcomes: map[string]int{}}
	p.larder = cache.FromHeaders()(p)
	for seed := shard; seed < scenarios; seed += shards {
		p.run(seed)
		if p.failures != nil {
			t.Fatalf("scenario %d:\n%s\n%s", seed, strings.Join(p.log, "\n"), strings.Join(p.failures, "\n"))
		}
	}
	return p.outcomes
}

// checkCoverage: a generator that never gets anywhere would prove nothing.
func checkCoverage(t *testing.T, outcomes map[string]int) {
	t.Helper()
	t.Log(outcomes)
	if n := outcomes["exchanges"]; n < 100_000 {
		t.Errorf("%d exchanges only", n)
	}
	for _, outcome := range []string{
		"refused", "reused", "reused stale", "refreshed behind the client", "unsafe", "stale on error", "freshened", "forwarded",
	} {
		if outcomes[outcome] < 200 {
			t.Errorf("%s only %d times", outcome, outcomes[outcome])
		}
	}
}

// play is a scenario being played. It is the origin too.
type play struct {
	larder   http.Handler
	outcomes map[string]int // over all scenarios

	scenario *scenario
	model    model
	path     string
	number   int
	calls    []call
	log      []string
	failures []string
}

// call is a request that the origin got.
type call struct {
	answer
	conditional bool
}

func (p *play) run(seed uint64) {
	p.scenario, p.model = newScenario(dice{rand.New(rand.NewPCG(seed, 9111))}), model{}
	p.path, p.log = "/"+strconv.FormatUint(seed, 10), nil
	for range 5 + p.scenario.IntN(steps-4) {
		time.Sleep(p.scenario.pause(pick(p.scenario.dice, 3*time.Second, 20*time.Second, 200*time.Second)))
		p.exchange()
		if p.failures != nil {
			return
		}
	}
}

// ServeHTTP is the origin: it draws an answer, a 304 to half of the conditional requests.
func (p *play) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := p.scenario
	c := call{conditional: len(r.Header["If-None-Match"])+len(r.Header["If-Modified-Since"]) > 0}
	c.requested = time.Now()
	if s.chance(30) {
		time.Sleep(s.pause(3 * time.Second))
	}
	c.received = time.Now()
	c.status, c.header = s.response(c.received.UTC())
	if c.conditional && s.chance(50) {
		c.status, c.header = http.StatusNotModified, s.update(c.received.UTC())
	}
	p.number++
	c.number = p.number
	p.calls = append(p.calls, c)
	p.note("  origin: conditional=%t, %d after %v, %v", c.conditional, c.status, c.received.Sub(c.requested), c.header)
	for name, lines := range c.header {
		w.Header()[name] = slices.Clone(lines)
	}
	w.WriteHeader(c.status)
	if c.status != http.StatusNoContent && c.status != http.StatusNotModified {
		_, _ = io.WriteString(w, strconv.Itoa(c.number))
	}
}

func (p *play) note(format string, args ...any) { p.log = append(p.log, fmt.Sprintf(format, args...)) }

func (p *play) fail(format string, args ...any) {
	p.failures = append(p.failures, fmt.Sprintf(format, args...))
}

// exchange plays one request.
func (p *play) exchange() {
	r := ask{method: http.MethodGet, header: p.scenario.request(), at: time.Now()}
	if p.scenario.chance(4) {
		r.method = http.MethodPost
	}
	s, how := p.model.choose(r)
	p.note("%s %s: %s %v", r.at.UTC().Format("15:04:05.000"), p.path, r.method, r.header)
	p.calls = nil
	rec := httptest.NewRecorder()
	req := httptest.NewRequest(r.method, p.path, nil)
	req.Header = r.header.Clone()
	p.larder.ServeHTTP(rec, req)
	if how == reuseNow {
		time.Sleep(5 * time.Second) // longer than the origin takes
	}
	synctest.Wait()
	p.note("  client: %d, %v, %q", rec.Code, rec.Header(), rec.Body)
	p.compare(r, s, how, rec)
	p.outcomes["exchanges"]++
}

func (p *play) compare(r ask, s *stored, how choice, rec *httptest.ResponseRecorder) {
	wanted := 1
	if how == reuse || how == refuse {
		wanted = 0
	}
	if len(p.calls) != wanted {
		p.fail("the origin was asked %d times, the model says %d", len(p.calls), wanted)
		return
	}
	switch how {
	case refuse:
		p.count("refused")
		p.same("status", rec.Code, http.StatusGatewayTimeout)
	case reuse, reuseNow:
		p.reused(&s.answer, r.at, rec)
		if how == reuseNow {
			p.count("refreshed behind the client")
			p.refreshed(r, s)
		}
	default:
		p.forwarded(r, s, rec)
	}
}

func (p *play) count(outcome string) { p.outcomes[outcome]++ }

func (p *play) same(what string, got, want any) {
	if got != want {
		p.fail("%s is %v, the model says %v", what, got, want)
	}
}

// reused compares a response from the store: the same one, and its Age in whole seconds.
func (p *play) reused(a *answer, now time.Time, rec *httptest.ResponseRecorder) {
	p.count("reused")
	if a.staleness(now) >= 0 {
		p.count("reused stale")
	}
	p.whole(a, rec)
	p.same("Age", rec.Header().Get("Age"), strconv.Itoa(int(min(a.age(now)/time.Second, infinite))))
}

func (p *play) whole(a *answer, rec *httptest.ResponseRecorder) {
	p.same("status", rec.Code, a.status)
	if a.status != http.StatusNoContent {
		p.same("body", rec.Body.String(), strconv.Itoa(a.number))
	}
}

// refreshed settles a refresh behind the client, which bears neither its wishes nor its credentials. What is answered may be one user's
// all the same.
func (p *play) refreshed(r ask, s *stored) {
	c := p.calls[0]
	p.same("conditional", c.conditional, s.validator())
	r.header = r.header.Clone()
	r.header.Del("Cache-Control")
	r.header.Del("Pragma")
	p.model.settle(r, s, c.answer)
	if c.status != http.StatusNotModified && !c.storable(r) && r.header["Authorization"] == nil {
		p.model.drop(s) // it is not served any longer
	}
}

// forwarded settles what the origin said, and compares what the client got of it.
func (p *play) forwarded(r ask, s *stored, rec *httptest.ResponseRecorder) {
	c := p.calls[0]
	if r.method != http.MethodGet {
		p.count("unsafe")
		p.same("status", rec.Code, c.status)
		if c.status < 400 {
			p.model.invalidate()
		}
		return
	}
	if p.same("conditional", c.conditional, s != nil && s.validator()); p.failures != nil {
		return
	}
	result, standIn := p.model.settle(r, s, c.answer)
	p.whole(result, rec)
	switch {
	case standIn:
		p.count("stale on error")
		p.same("Age", rec.Header().Get("Age"), strconv.Itoa(int(result.age(c.received)/time.Second)))
	case c.status == http.StatusNotModified:
		p.count("freshened")
		p.same("Age", rec.Header().Get("Age"), strconv.Itoa(int(min(result.age(c.received)/time.Second, infinite))))
	default:
		p.count("forwarded")
	}
}
