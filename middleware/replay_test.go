package middleware

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The tests of this package meet replays from the second hit on.
func init() { replayAfter = 1 }

// manyFaced answers each path in a way of its own, and each run with its number.
func manyFaced() http.Handler {
	var runs atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, n := w.Header(), runs.Add(1)
		switch path := r.URL.Path; {
		case strings.HasSuffix(path, "/tag"):
			h.Set("Etag", fmt.Sprintf(`"%d"`, n/3))
			h.Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		case strings.HasSuffix(path, "/vary"):
			h.Set("Vary", "Accept-Language")
		case strings.HasSuffix(path, "/old"):
			h.Set("Cache-Control", "max-age=9, stale-while-revalidate=2, stale-if-error=3")
			h.Set("Age", "5")
		case strings.HasSuffix(path, "/public"):
			h.Set("Cache-Control", "public, max-age=4, must-revalidate")
			h["Cache-Status"] = []string{"origin; hit"}
		case strings.HasSuffix(path, "/gone"):
			h.Set("Etag", `"1"`)
			w.WriteHeader(http.StatusNotFound)
		case strings.HasSuffix(path, "/empty"):
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = fmt.Fprint(w, n, r.Host, r.URL)
	})
}

// TestReplaysAreHits asks two caches the same, of which one has no replays: nobody can tell which.
func TestReplaysAreHits(t *testing.T) {
	named := func(rules ...Rule) []Rule { return append(rules, Name("item")) }
	for name, c := range map[string]struct {
		o     Options
		rules []Rule
	}{
		"plain":         {},
		"from headers":  {rules: nil},
		"stale":         {rules: []Rule{Stale(2 * time.Second), StaleIfError(time.Second)}},
		"public":        {o: Options{StatusKey: true}, rules: []Rule{Public(), Browser(time.Second), CDN(time.Minute)}},
		"tags":          {o: Options{AnnounceTags: true, Header: "X-Larder"}, rules: []Rule{Tags("all"), Negative(time.Second, http.StatusNotFound)}},
		"no cookies":    {rules: []Rule{Cookies()}},
		"query":         {rules: []Rule{Query("a"), AnyHost()}},
		"named":         {o: Options{Header: "-"}, rules: named(NoQuery())},
		"marker":        {o: Options{ReadYourWrites: "seen"}, rules: []Rule{Public()}},
		"ignore client": {o: Options{IgnoreClient: true}},
		"by field":      {rules: []Rule{Headers("Accept-Language")}},
		"by parameter":  {rules: []Rule{Param("who", func(r *http.Request) (any, error) { return r.Header.Get("X-User"), nil })}},
		"by cookie":     {rules: []Rule{Cookies("a")}},
		"per user":      {rules: []Rule{PerUser(func(r *http.Request) string { return r.Header.Get("X-User") })}},
	} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			defer func() {
				if t.Failed() {
					t.Log("seed", seed)
				}
			}()
			synctest.Test(t, func(t *testing.T) {
				fast, slow := newTestCache(t, c.o), newTestCache(t, c.o)
				mw := func(c2 *Cache) func(http.Handler) http.Handler {
					if name == "from headers" {
						return c2.FromHeaders(c.rules...)
					}
					return c2.For(3*time.Second, c.rules...)
				}
				h, longer := mw(fast)(manyFaced()).(*route), mw(slow)(manyFaced()).(*route)
				longer.replayable, fast.replays = false, fast.replays[:4]
				replayed := 0
				a := asker{Rand: rand.New(rand.NewPCG(seed, 1))}
				for range 3000 {
					r := a.next(t)
					there := h.slot(r).Load()
					got, want := httptest.NewRecorder(), httptest.NewRecorder()
					a.outside(got, want)
					var f asking
					f.read(r.Header)
					ran := h.replay(got, r.Clone(r.Context()), &f)
					if !ran {
						h.ServeHTTP(got, r.Clone(r.Context()))
					} else {
						replayed++
					}
					longer.ServeHTTP(want, r.Clone(r.Context()))
					for _, w := range []*httptest.ResponseRecorder{got, want} { // each cache's log has a name of its own
						if i := slices.IndexFunc(w.Header()["Set-Cookie"], func(s string) bool { return strings.HasPrefix(s, "seen=") }); i >= 0 {
							w.Header()["Set-Cookie"][i] = "seen"
						}
					}
					if got.Code != want.Code || got.Body.String() != want.Body.String() || !maps.EqualFunc(got.Header(), want.Header(), slices.Equal) {
						t.Fatalf("%s %s %v\nreplayed %v of %v\n%d %v %s\nwithout\n%d %v %s", r.Method, r.RequestURI, r.Header, ran, there,
							got.Code, got.Header(), got.Body, want.Code, want.Header(), want.Body)
					}
					a.learn(got)
					a.meddle(t, fast, slow)
				}
				if (replayed > 50) != h.replayable || fast.Stats().Hits != slow.Stats().Hits {
					t.Errorf("%d replays; %+v, without %+v", replayed, fast.Stats(), slow.Stats())
				}
			})
		})
	}
}

// asker makes requests up, many of them for the same.
type asker struct {
	*rand.Rand
	lines []*http.Request
	tags  []string
}

func (a *asker) one(of ...string) string { return of[a.IntN(len(of))] }

func (a *asker) next(t *testing.T) *http.Request {
	if len(a.lines) < 6 || a.IntN(50) == 0 {
		a.lines = append(a.lines, a.line(t))
	}
	a.lines = a.lines[max(0, len(a.lines)-6):]
	r := a.lines[a.IntN(len(a.lines))].Clone(t.Context())
	if a.IntN(4) == 0 {
		a.change(r)
	}
	if a.IntN(3) == 0 {
		a.say(r)
	}
	return r
}

func (a *asker) line(t *testing.T) *http.Request {
	target := a.one("", "", "", "http://shop.example") + "/" + a.one("1", "2", "é", "%41") +
		a.one("/tag", "/vary", "/old", "/public", "/gone", "/empty", "") + a.one("", "", "", "?", "?a=1", "?b=2&a=1", "?a=1&b=2")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	r.URL, r.RequestURI, r.Host = u, target, a.one("shop.example", "SHOP.example", "other.example")
	return r
}

// change is what else than another header may tell a request from others for the same.
func (a *asker) change(r *http.Request) {
	switch a.IntN(12) {
	case 0:
		r.TLS = &tls.ConnectionState{}
	case 1:
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
	case 2:
		r.URL.Path = r.URL.Path[2:] // as http.StripPrefix does
	case 3:
		r.URL.RawQuery = ""
	case 4:
		if segments := strings.Split(r.URL.EscapedPath(), "/"); len(segments) == 2 {
			r.Pattern = "/" + a.one("{id}", "{item}")
			r.SetPathValue(strings.Trim(r.Pattern, "/{}"), segments[1])
		}
	case 5:
		r.URL.User = url.User("ann")
	case 6:
		r.ContentLength, r.Body = -1, http.NoBody
	case 7:
		r.Method = a.one(http.MethodHead, http.MethodPost, http.MethodOptions)
	case 8:
		r.Host = a.one("shop.example", "SHOP.example", "other.example", "")
	case 9:
		r.URL.Scheme = a.one("http", "https", "")
	case 10:
		r.URL.RawPath = a.one("/%31/tag", "/%C3%A9", "")
	case 11:
		r.RequestURI = ""
	}
}

func (a *asker) say(r *http.Request) {
	for range a.IntN(12) * a.IntN(2) {
		r.Header["X-"+strconv.Itoa(a.IntN(20))] = []string{"x"}
	}
	for range a.IntN(3) {
		field := [][2]string{
			{"Cache-Control", "no-cache"},
			{"Cache-Control", "max-stale=1"},
			{"Cache-Control", "max-age=1"},
			{"Cache-Control", "only-if-cached"},
			{"Pragma", "no-cache"},
			{"Connection", "keep-alive"},
			{"Connection", "close"},
			{"Connection", "X-1"},
			{"Cookie", "a=b"},
			{"Cookie", "seen=0"},
			{"Authorization", "Basic YTpi"},
			{"Upgrade", "websocket"},
			{"Upgrade", "h2c"},
			{"If-Match", `"1"`},
			{"If-Unmodified-Since", "x"},
			{"If-None-Match", "*"},
			{"If-None-Match", `"1"`},
			{"If-None-Match", `W/"1"`},
			{"If-Modified-Since", time.Now().UTC().Format(http.TimeFormat)},
			{"Range", "bytes=0-1"},
			{"Accept-Language", "de"},
			{"X-User", "ann"},
			{"X-Api-Key", "k"},
		}[a.IntN(23)]
		r.Header.Add(field[0], field[1])
	}
	if len(a.tags) > 0 && a.IntN(4) == 0 {
		r.Header.Add("If-None-Match", a.one(a.tags...))
	}
}

// outside is what a middleware around the cache does.
func (a *asker) outside(w ...http.ResponseWriter) {
	if a.IntN(10) > 0 {
		return
	}
	name, value := a.one("X-Request-Id", "Vary", "Cache-Status", "Set-Cookie", "Etag"), a.one("a", "b")
	for _, w := range w {
		w.Header().Set(name, value)
	}
}

func (a *asker) learn(w *httptest.ResponseRecorder) {
	if tag := w.Header().Get("Etag"); tag != "" && !slices.Contains(a.tags, tag) {
		a.tags = append(a.tags, tag)
	}
}

// meddle does to both caches what may come between two requests.
func (a *asker) meddle(t *testing.T, caches ...*Cache) {
	synctest.Wait() // refreshes in the background
	switch a.IntN(30) {
	case 0, 1, 2:
		time.Sleep(time.Duration(a.IntN(900)) * time.Millisecond)
	case 3:
		path, expire := "/"+a.one("", "1", "2")+a.one("", "/tag", "/old"), a.IntN(2) == 0
		for _, c := range caches {
			invalidate := c.Invalidate
			if expire {
				invalidate = c.Expire
			}
			if err := invalidate(context.Background(), Path(path)); err != nil {
				t.Error(err)
			}
		}
	case 4:
		if a.IntN(10) == 0 {
			for _, c := range caches {
				c.tiers.clear()
			}
		}
	}
}

// TestReplaysEnd with what memory holds: nothing is served, or held on to, that is not there any more.
func TestReplaysEnd(t *testing.T) {
	for name, end := range map[string]func(c *Cache, h http.Handler){
		"deleted":  func(c *Cache, _ http.Handler) { c.tiers.drop("larder:example.com/()") },
		"cleared":  func(c *Cache, _ http.Handler) { c.tiers.clear() },
		"closed":   func(c *Cache, _ http.Handler) { _ = c.Close() },
		"replaced": func(c *Cache, _ http.Handler) { c.tiers.memory.Store("larder:example.com/()", &kept{}) },
		"evicted": func(c *Cache, h http.Handler) {
			for i := range 2000 {
				for range 3 {
					h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/"+strconv.Itoa(i), nil))
				}
			}
			c.tiers.memory.Bytes() // lets evictions that are due happen
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newTestCache(t, Options{MemoryBytes: 100 << 10})
				h := c.For(time.Hour)(http.HandlerFunc(says("page"))).(*route)
				for _, line := range []string{"http://EXAMPLE.com/", "/"} { // of which the second takes the place of the first
					for range 3 {
						get(t, h, line)
					}
					if a := h.slot(request(t.Context(), line)).Load(); a == nil || a.line.uri != line {
						t.Fatalf("of %s is kept %v", line, a)
					}
					time.Sleep(time.Second)
				}
				end(c, h)
				live := 0
				for i := range c.replays {
					if a := c.replays[i].Load(); a != nil {
						live++
						if k, found := c.tiers.memory.Load(a.s.Key); !found || k.opened.Load() != a.s {
							t.Errorf("%s is replayed and not in memory", a.s.Key)
						}
					}
				}
				if (live > 0) != (name == "evicted") {
					t.Errorf("%d replays are left", live)
				}
			})
		})
	}
}

// TestReplaysAreCounted among what memory holds, until there are no more hits that need them.
func TestReplaysAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Options{})
		h := c.For(time.Hour)(http.HandlerFunc(says("page"))).(*route)
		get(t, h, "/")
		h.replayable = false
		get(t, h, "/")
		without := c.Stats().Bytes
		h.replayable = true
		for range 3 {
			get(t, h, "/")
			a := h.slot(request(t.Context(), "/")).Load()
			if with := c.Stats().Bytes; a == nil || with != without+int64(a.size()) || a.size() < 500 {
				t.Errorf("%d bytes, without the replay %d; it takes %d", with, without, a.size())
			}
			time.Sleep(3 * time.Second)
			get(t, h, "/")
			if with := c.Stats().Bytes; with != without {
				t.Errorf("%d bytes, before the replay %d", with, without)
			}
		}
	})
}

// TestReplayedStayInMemory: a flood of what is asked for once does not push out what is replayed.
func TestReplayedStayInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock stands still, so that replays do not end
		hot := 0
		h := newTestCache(t, Options{MemoryBytes: 100 << 10}).For(time.Hour)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/hot" {
				hot++
			}
			_, _ = io.WriteString(w, strings.Repeat("x", 1000))
		}))
		for i := range 20_000 {
			get(t, h, "/hot")
			get(t, h, "/hot")
			get(t, h, "/"+strconv.Itoa(i))
		}
		if hot > 5 { // it may be unlucky in the beginning
			t.Errorf("the handler ran %d times", hot)
		}
	})
}

// TestReplaysInOnePlace: routes whose requests look the same do not answer for each other, and who comes first stays for the second.
func TestReplaysInOnePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Options{})
		a := c.For(time.Hour, Name("a"))(http.HandlerFunc(says("of a")))
		b := c.For(time.Hour, Name("b"))(http.HandlerFunc(says("of b")))
		c.replays = c.replays[:1]
		slot := &c.replays[0]
		for i := range 9 {
			expect(t, get(t, a, "/"), http.StatusOK, "of a")
			first := slot.Load()
			expect(t, get(t, b, "/"), http.StatusOK, "of b")
			if slot.Load() != first {
				t.Errorf("%d: the replay has changed", i)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// TestNoReplaysBesideRefreshAhead, which draws with each hit whether it refreshes.
func TestNoReplaysBesideRefreshAhead(t *testing.T) {
	c := newTestCache(t, Options{})
	h := c.For(time.Hour, RefreshAhead())(http.HandlerFunc(says("page"))).(*route)
	for range 3 {
		get(t, h, "/")
	}
	if a := h.slot(request(t.Context(), "/")).Load(); a != nil {
		t.Error("there is one")
	}
}

// TestReplayOwnsItsTexts: a server may write the next request over the texts of one that was answered.
func TestReplayOwnsItsTexts(t *testing.T) {
	c := newTestCache(t, Options{})
	c.replays = c.replays[:1]
	h := c.For(time.Hour)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.Host, r.RequestURI) }))
	host, uri := []byte("ann.example"), []byte("/ann")
	r := request(t.Context(), "/ann")
	r.Host, r.RequestURI, r.URL.Path = alias(host), alias(uri), alias(uri)
	for _, who := range []string{"ann", "ann", "ann", "bob", "bob", "bob", "ann", "bob"} {
		copy(host, who)
		copy(uri[1:], who)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		expect(t, w, http.StatusOK, who+".example/"+who)
	}
}

// TestReplaysAreLogged: who turns the log up sees each hit from then on.
func TestReplaysAreLogged(t *testing.T) {
	var log bytes.Buffer
	var level slog.LevelVar
	c := newTestCache(t, Options{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: &level}))})
	h := c.For(time.Hour)(http.HandlerFunc(says("page")))
	for range 3 {
		get(t, h, "/")
	}
	level.Set(slog.LevelDebug)
	log.Reset()
	for range 3 {
		get(t, h, "/")
	}
	if n := strings.Count(log.String(), "larder: key found"); n != 3 {
		t.Errorf("%d of 3 hits are logged:\n%s", n, &log)
	}
}
