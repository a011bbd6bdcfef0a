package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/larderhq/larder/internal/redistest"
	larder "github.com/larderhq/larder/middleware"
)

// shop is a service with items to read, write and purge; every body tells how often its handler ran.
type shop struct {
	*larder.Cache
	http.Handler
}

// shopRuns counts the runs of all shops' handlers, so that no two bodies are equal.
var shopRuns atomic.Int64

func newShop(t *testing.T, o larder.Options) *shop {
	t.Helper()
	c, err := larder.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &shop{Cache: c}
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Groups", `"shelf"`)
		larder.Entry(r).Tag("spoken")
		fmt.Fprintf(w, "%s %d", r.URL.Path, shopRuns.Add(1))
	})
	write := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if groups := r.Header.Get("X-Groups"); groups != "" {
			w.Header().Set("Cache-Group-Invalidation", groups)
		}
		if r.Header.Get("X-Fail") != "" {
			w.WriteHeader(http.StatusConflict)
			return
		}
		w.Header().Set("Location", "/items/9")
		if to := r.Header.Get("X-Location"); to != "" {
			w.Header().Set("Location", to)
		}
		w.WriteHeader(http.StatusSeeOther)
	})
	r := chi.NewRouter()
	r.With(c.For(time.Hour, larder.Tags("items", "item:{id}"), larder.Stale(time.Minute))).Get("/items/{id}", answer.ServeHTTP)
	r.With(c.For(time.Hour, larder.Name("named"), larder.AnyHost())).Get("/named/{id}", answer.ServeHTTP)
	r.With(c.Invalidates()).Put("/items/{id}", write.ServeHTTP)
	r.With(c.Invalidates()).Put("/named/{id}", write.ServeHTTP)
	r.With(c.Invalidates("items")).Post("/items", write.ServeHTTP)
	r.With(c.Invalidates("item:{id}")).Post("/items/{id}/stock", write.ServeHTTP)
	s.Handler = r
	return s
}

func (s *shop) do(method, path string, fields ...string) *httptest.ResponseRecorder {
	w, r := httptest.NewRecorder(), httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	s.ServeHTTP(w, r)
	return w
}

func (s *shop) expect(t *testing.T, path, cache string) {
	t.Helper()
	if got := s.do(http.MethodGet, path).Header().Get("X-Cache"); got != cache {
		t.Errorf("GET %s: X-Cache %q, want %q", path, got, cache)
	}
}

// TestInvalidate purges by every selector, in memory and on Redis, in the purging process and in another one.
func TestInvalidate(t *testing.T) {
	tests := []struct {
		name  string
		purge larder.Selector
		gone  bool
	}{
		{"tag", larder.Tag("items"), true},
		{"tag with a path value", larder.Tag("item:1"), true},
		{"tag of another", larder.Tag("item:2"), false},
		{"tag named at run time", larder.Tag("spoken"), true},
		{"cache group", larder.Tag("shelf"), true},
		{"path", larder.Path("/items/1"), true},
		{"path with host", larder.Path("Example.com/items/1"), true},
		{"path of a URL", larder.Path("https://Example.com/items/1?page=2"), true},
		{"path with a query", larder.Path("/items/1?page=2"), true},
		{"path of another host", larder.Path("other.example/items/1"), false},
		{"path of another", larder.Path("/items/2"), false},
		{"route", larder.Route("/items/{id}"), true},
		{"another route", larder.Route("named"), false},
		{"key", larder.Key("p:example.com/items/1()"), true},
		{"another key", larder.Key("p:example.com/items/2()"), false},
		{"all", larder.All(), true},
	}
	for _, backend := range []string{"memory", "redis"} {
		t.Run(backend, func(t *testing.T) {
			o := larder.Options{Prefix: "p"}
			if backend == "redis" {
				o.Redis = redistest.Start(t).Client()
				o.StoreTimeout, o.Lease = patience, patience
			}
			here, there := newShop(t, o), newShop(t, o)
			if o.Redis == nil {
				there = here
			}
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					if err := here.Invalidate(context.Background(), larder.All()); err != nil {
						t.Fatal(err)
					}
					here.expect(t, "/items/1", "Miss")
					here.expect(t, "/items/1", "Hit")
					old := here.do(http.MethodGet, "/items/1").Body.String()
					eventually(t, func() bool { return there.do(http.MethodGet, "/items/1").Body.String() == old })
					if err := here.Invalidate(context.Background(), tt.purge); err != nil {
						t.Fatal(err)
					}
					here.expect(t, "/items/1", map[bool]string{true: "Miss", false: "Hit"}[tt.gone])
					eventually(t, func() bool {
						return there.do(http.MethodGet, "/items/1").Body.String() == old != tt.gone
					})
					here.expect(t, "/items/1", "Hit")
				})
			}
		})
	}
}

// patience is long enough for a Redis on a machine that is busy with other tests.
const patience = 10 * time.Second

// patient are the options of a cache that hits on what is in Redis, also where the first reading of the log, which may take a quarter of
// the lease, takes its time.
func patient(server *redistest.Server) larder.Options {
	return larder.Options{Redis: server.Client(), StoreTimeout: patience, Lease: patience}
}

// eventually polls, since another process learns of a purge a little later.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for range 6000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("it did not happen in 30 s")
}

func TestUnsafeMethodsInvalidate(t *testing.T) {
	tests := []struct {
		name, method, path string
		fields             []string
		read               string
		gone               bool
	}{
		{"the target URI", http.MethodPut, "/items/1", nil, "/items/1", true},
		{"the target URI of a route with a name and any host", http.MethodPut, "/named/1", nil, "/named/1", true},
		{"not on an error", http.MethodPut, "/items/1", []string{"X-Fail", "1"}, "/items/1", false},
		{"not another target", http.MethodPut, "/items/2", nil, "/items/1", false},
		{"Location", http.MethodPut, "/named/1", nil, "/items/9", true},
		{"Location with the origin", http.MethodPut, "/named/1", []string{"X-Location", "http://EXAMPLE.com:80/items/9"}, "/items/9", true},
		{"Location of another origin", http.MethodPut, "/named/1", []string{"X-Location", "https://example.com/items/9"}, "/items/9", false},
		{"Location behind a proxy that ends TLS", http.MethodPut, "/named/1", []string{"X-Location", "https://example.com/items/9", "X-Forwarded-Proto", "https"}, "/items/9", true},
		{"a tag", http.MethodPost, "/items", nil, "/items/1", true},
		{"a tag with a path value", http.MethodPost, "/items/1/stock", nil, "/items/1", true},
		{"a tag with another path value", http.MethodPost, "/items/2/stock", nil, "/items/1", false},
		{"a group", http.MethodPut, "/items/2", []string{"X-Groups", `"other", "shelf"`}, "/items/1", true},
		{"another group", http.MethodPut, "/items/2", []string{"X-Groups", `"other"`}, "/items/1", false},
		{"a malformed group field", http.MethodPut, "/items/2", []string{"X-Groups", `"shelf", "other`}, "/items/1", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newShop(t, larder.Options{})
			s.expect(t, tt.read, "Miss")
			s.do(tt.method, tt.path, tt.fields...)
			s.expect(t, tt.read, map[bool]string{true: "Miss", false: "Hit"}[tt.gone])
		})
	}
}

// TestGroupsBelongToAnOrigin: a write on one host leaves the groups of another alone (RFC 9875 §2.1).
func TestGroupsBelongToAnOrigin(t *testing.T) {
	s := newShop(t, larder.Options{})
	s.expect(t, "http://a.example/items/1", "Miss")
	s.do(http.MethodPut, "http://b.example/items/2", "X-Groups", `"shelf"`)
	s.expect(t, "http://a.example/items/1", "Hit")
}

// TestAnyHostBelongsToAll: what answers for every host goes with a purge or a write on any of them.
func TestAnyHostBelongsToAll(t *testing.T) {
	s := newShop(t, larder.Options{})
	const here, there = "http://a.example", "http://b.example"
	for name, purge := range map[string]func(){
		"a group": func() { s.do(http.MethodPut, there+"/items/2", "X-Groups", `"shelf"`) },
		"a path": func() {
			if err := s.Invalidate(context.Background(), larder.Path("b.example/named/1")); err != nil {
				t.Error(err)
			}
		},
	} {
		s.do(http.MethodGet, here+"/named/1")
		s.expect(t, here+"/named/1", "Hit")
		purge()
		if got := s.do(http.MethodGet, there+"/named/1").Header().Get("X-Cache"); got != "Miss" {
			t.Errorf("%s: X-Cache %q", name, got)
		}
	}
}

// TestImpliedPorts: a write or a purge reaches what is stored for an equivalent URI (RFC 9110 §4.2.3, RFC 9111 §4.4).
func TestImpliedPorts(t *testing.T) {
	for _, tt := range []struct{ read, written, after string }{
		{"shop.example", "shop.example:80", "Miss"},
		{"shop.example:80", "shop.example", "Miss"},
		{"shop.example:443", "shop.example", "Miss"}, // as it comes from a proxy that ended TLS
		{"[::1]", "[::1]:80", "Miss"},
		{"shop.example:", "shop.example", "Miss"},
		{"shop.example", "shop.example:", "Miss"},
		{"Shop.example:", "shop.example:", "Miss"},
		{"a,b=c", "a,b=c", "Miss"}, // which keys have in another form
		{"shop.example", "shop.example:8080", "Hit"},
		{"shop.example:8080", "shop.example:80", "Hit"},
	} {
		s := newShop(t, larder.Options{})
		s.reaches(t, "http://"+tt.read+"/items/1", "http://"+tt.written+"/items/1", tt.after, func() {
			s.do(http.MethodPut, "http://"+tt.written+"/items/2", "X-Groups", `"shelf"`)
		})
	}
}

// reaches expects a page, which has been stored, to be a hit or a miss after what means another URI: a write, a purge, and whatever
// else points to it.
func (s *shop) reaches(t *testing.T, page, same, after string, pointing func()) {
	t.Helper()
	for how, purge := range map[string]func(){
		"write":    func() { s.do(http.MethodPut, same) },
		"pointing": pointing,
		"purge": func() {
			if err := s.Invalidate(context.Background(), larder.Path(same)); err != nil {
				t.Error(err)
			}
		},
	} {
		s.do(http.MethodGet, page)
		s.expect(t, page, "Hit")
		purge()
		if got := s.do(http.MethodGet, page).Header().Get("X-Cache"); got != after {
			t.Errorf("%s of %s: %s then is a %s, want %s", how, same, page, got, after)
		}
	}
}

// TestEquivalentPaths: which octets of a path are escaped, and how, makes no other resource of it (RFC 9110 §4.2.3, RFC 9111 §4.4).
func TestEquivalentPaths(t *testing.T) {
	for _, tt := range []struct{ read, written, after string }{
		{"/items/caf%C3%A9", "/items/caf%c3%a9", "Miss"},
		{"/items/caf%c3%a9", "/items/caf%C3%A9", "Miss"},
		{"/items/%7Eann", "/items/~ann", "Miss"},
		{"/items/~ann", "/items/%7eann", "Miss"},
		{"/items/%31", "/items/1", "Miss"},
		{"/items/o%27neill", "/items/o'neill", "Miss"}, // as clients differ in
		{"/items/caf%C3%A9", "/items/cafe", "Hit"},
		{"/items/%2531", "/items/%31", "Hit"},
	} {
		for _, host := range []string{"", "http://shop.example"} {
			s := newShop(t, larder.Options{})
			s.reaches(t, host+tt.read, host+tt.written, tt.after, func() { s.do(http.MethodPut, host+"/items/8", "X-Location", tt.written) })
		}
	}
}

// TestExpireIsSoft: an expired entry is served once more while it is refreshed.
func TestExpireIsSoft(t *testing.T) {
	s := newShop(t, larder.Options{})
	s.expect(t, "/items/1", "Miss")
	old := s.do(http.MethodGet, "/items/1").Body.String()
	if err := s.Expire(context.Background(), larder.Tag("items")); err != nil {
		t.Fatal(err)
	}
	if w := s.do(http.MethodGet, "/items/1"); w.Body.String() != old || w.Header().Get("X-Cache") != "Hit" {
		t.Errorf("after Expire: %q, X-Cache %q; want the old body from the store", w.Body, w.Header().Get("X-Cache"))
	}
	eventually(t, func() bool { return s.do(http.MethodGet, "/items/1").Body.String() != old })
}

// TestExpireServesStale: what has expired is served, with no rule that says so, unless the response forbids to serve it stale.
func TestExpireServesStale(t *testing.T) {
	for _, tt := range []struct {
		name, control string
		rules         []larder.Rule
		want          string
	}{
		{"no rule", "", nil, "200 larder; hit; ttl=0"},
		{"must-revalidate", "must-revalidate", []larder.Rule{larder.Stale(time.Hour)}, "500 larder; fwd=stale; detail=status"},
		{"s-maxage", "s-maxage=60", nil, "500 larder; fwd=stale; detail=status"},
		{"Stale", "", []larder.Rule{larder.Stale(time.Hour)}, "200 larder; hit; ttl=0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				handler := new(counted)
				handler.answer = func(w http.ResponseWriter, _ *http.Request) {
					if handler.runs.Load() > 1 {
						w.WriteHeader(http.StatusInternalServerError)
						return
					}
					w.Header().Set("Cache-Control", tt.control)
				}
				c := openCache(t, larder.Options{})
				h := c.For(time.Hour, tt.rules...)(handler)
				ask(t, h, "/")
				if err := c.Expire(context.Background(), larder.Path("/")); err != nil {
					t.Fatal(err)
				}
				a := ask(t, h, "/")
				if got := fmt.Sprint(a.status, " ", a.header.Get("Cache-Status")); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				if a.status == http.StatusOK {
					expectFields(t, a, "Cache-Control: max-age=0", "Expires: "+second0) // and not the hour that it had
				}
			})
		})
	}
}

// TestExpireCutsShortWhatTheHandlerSaid: a lifetime of the handler's, which clients are told beside an Age, is over for them as well.
func TestExpireCutsShortWhatTheHandlerSaid(t *testing.T) {
	for name, wrap := range map[string]func(*larder.Cache) func(http.Handler) http.Handler{
		"For":         func(c *larder.Cache) func(http.Handler) http.Handler { return c.OneHour() },
		"FromHeaders": func(c *larder.Cache) func(http.Handler) http.Handler { return c.FromHeaders() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := openCache(t, larder.Options{})
				h := wrap(c)(&counted{answer: func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Cache-Control", "public, max-age=600")
				}})
				ask(t, h, "/")
				time.Sleep(5 * time.Second)
				expectFields(t, ask(t, h, "/"), "Cache-Control: public, max-age=600", "Age: 5")
				if err := c.Expire(context.Background(), larder.Path("/")); err != nil {
					t.Fatal(err)
				}
				expectFields(t, ask(t, h, "/"), "Cache-Control: public, max-age=5", "Age: 5", "Cache-Status: larder; hit; ttl=0")
			})
		})
	}
}

func TestInvalidateNothing(t *testing.T) {
	s := newShop(t, larder.Options{})
	for _, what := range [][]larder.Selector{
		nil,
		{{}},
		{larder.Tag("")},
		{larder.Route("")},
		{larder.Key("")},
		{larder.Path("")},
		{larder.Path("items")},
		{larder.Tag(""), larder.Tag("items")},
	} {
		s.do(http.MethodGet, "/items/1")
		if err := s.Invalidate(context.Background(), what...); !errors.Is(err, larder.ErrNothingSelected) {
			t.Errorf("Invalidate(%v) = %v, want ErrNothingSelected", what, err)
		}
	}
	s.expect(t, "/items/1", "Miss") // what else was selected counts
}

// TestPurgeDuringFill: a handler that read old data before the purge cannot put it back after it.
func TestPurgeDuringFill(t *testing.T) {
	c, err := larder.New(larder.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	reading, purged := make(chan struct{}), make(chan struct{})
	version := "old"
	h := c.For(time.Hour, larder.Tags("x"))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		v := version
		if v == "old" {
			close(reading)
			<-purged
		}
		fmt.Fprint(w, v)
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}()
	<-reading
	version = "new"
	if err := c.Invalidate(context.Background(), larder.Tag("x")); err != nil {
		t.Fatal(err)
	}
	close(purged)
	<-done
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Body.String() != "new" {
		t.Errorf("after the purge: %q", w.Body)
	}
}

// TestWriteFlood: however many unsafe requests there are, every one finds what it wrote.
func TestWriteFlood(t *testing.T) {
	s := newShop(t, patient(redistest.Start(t)))
	const writes, writers = 3000, 30
	stale := make(chan string, writes)
	done := make(chan struct{}, writers)
	for n := range writers {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range writes / writers {
				path := fmt.Sprintf("/items/%d", 100+n)
				before := s.do(http.MethodGet, path).Body.String()
				s.do(http.MethodPut, path)
				if after := s.do(http.MethodGet, path).Body.String(); after == before {
					stale <- fmt.Sprintf("%s, write %d: still %q", path, i, after)
				}
			}
		}()
	}
	for range writers {
		<-done
	}
	close(stale)
	for s := range stale {
		t.Error(s)
	}
}

// TestReadYourWrites: the marker of a write makes another replica wait for its log, or pass by.
func TestReadYourWrites(t *testing.T) {
	server := redistest.Start(t)
	o := patient(server)
	o.ReadYourWrites = "seen"
	here, there := newShop(t, o), newShop(t, o)
	for i := range 200 {
		path := fmt.Sprintf("/items/%d", i)
		old := there.do(http.MethodGet, path).Body.String()
		cookies := here.do(http.MethodPut, path).Result().Cookies()
		if len(cookies) != 1 || cookies[0].Name != "seen" || !cookies[0].HttpOnly {
			t.Fatalf("cookies of a write: %v", cookies)
		}
		w := there.do(http.MethodGet, path, "Cookie", "seen="+cookies[0].Value)
		if w.Body.String() == old {
			t.Fatalf("%s: the replica answered %q, older than the write (%s)", path, old, w.Header().Get("Cache-Status"))
		}
	}
	for _, forged := range []string{"x", "a.1.2-3", "a.ffffffffffffffff.ffffffffffffffff-1"} {
		if w := there.do(http.MethodGet, "/items/1", "Cookie", "seen="+forged); w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("forged marker %q: status %d, body %q", forged, w.Code, w.Body)
		}
	}
}

func TestAnnounceTags(t *testing.T) {
	s := newShop(t, larder.Options{AnnounceTags: true})
	for range 2 {
		got := s.do(http.MethodGet, "/items/1").Header()["Cache-Groups"]
		if want := []string{`"shelf"`, `"item:1", "items", "spoken"`}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("Cache-Groups: %q, want %q", got, want)
		}
	}
}
