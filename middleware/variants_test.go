package middleware_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	larder "github.com/larderhq/larder/middleware"
	"github.com/larderhq/larder/middleware/storetest"
)

// varying has a variant for every value of Foo.
func varying(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Foo")
	w.Header().Set("Cache-Control", "max-age=600")
	_, _ = io.WriteString(w, r.Header.Get("Foo"))
}

// selected asks for one variant and reports whether it came from the store.
func selected(t *testing.T, h http.Handler, foo string) (hit bool) {
	t.Helper()
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Foo", foo)
	h.ServeHTTP(rec, r)
	if rec.Body.String() != foo {
		t.Errorf("asked for %q, got %q", foo, rec.Body)
	}
	return rec.Header().Get("X-Cache") == "Hit"
}

// RFC 9111 §4.1 sets no bound, memory does: 64 variants a key, of which the least recently used goes.
func TestVariantsAreBounded(t *testing.T) {
	for name, options := range map[string]func() larder.Options{
		"memory":     func() larder.Options { return larder.Options{} },
		"byte store": func() larder.Options { return larder.Options{Store: new(storetest.Map)} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := options()
				o.Logger = slog.New(slog.DiscardHandler)
				cache, err := larder.New(o)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = cache.Close() }() // its errors are another test's
				h := cache.FromHeaders()(http.HandlerFunc(varying))
				for i := range 64 {
					selected(t, h, strconv.Itoa(i))
					time.Sleep(time.Second)
				}
				if !selected(t, h, "0") {
					t.Error("64 variants are too many")
				}
				time.Sleep(time.Second)
				selected(t, h, "64")
				synctest.Wait()
				if selected(t, h, "0") != true || selected(t, h, "1") != false {
					t.Error("the first variant was used last, the second is the one to go")
				}
			})
		})
	}
}

// TestVaryIsForgotten: a Vary that the handler no longer sends splits the cache for as long as responses are kept that had it, and not
// for as long as the key is asked for.
func TestVaryIsForgotten(t *testing.T) {
	for name, options := range map[string]func() larder.Options{
		"memory":     func() larder.Options { return larder.Options{} },
		"byte store": func() larder.Options { return larder.Options{Store: new(storetest.Map)} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				vary := "User-Agent"
				h := openCache(t, options()).For(10 * time.Second)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					if vary != "" {
						w.Header().Set("Vary", vary)
					}
				}))
				for _, step := range []struct {
					wait  time.Duration
					vary  string
					agent string
					hit   bool
				}{
					{0, "User-Agent", "a", false},
					{6 * time.Second, "", "b", false},
					{0, "", "c", false}, // that of a is still kept
					{5 * time.Second, "", "a", false},
					{0, "", "d", true},
					{11 * time.Second, "User-Agent", "a", false},
					{0, "User-Agent", "b", false},
					{6 * time.Second, "User-Agent", "c", false},
					{5 * time.Second, "", "d", false}, // that of c is still kept
					{0, "", "e", false},
				} {
					time.Sleep(step.wait)
					vary = step.vary
					if hit := ask(t, h, "/", "User-Agent: "+step.agent).hit(); hit != step.hit {
						t.Errorf("%+v: hit is %v", step, hit)
					}
					synctest.Wait()
				}
			})
		})
	}
}

// TestHandlersMayChangeTheirRequest: gorilla's CompressHandler deletes Accept-Encoding once it has heeded it. A response is filed
// under what the client sent (RFC 9111 §4.1), or the next one who sends nothing gets it.
func TestHandlersMayChangeTheirRequest(t *testing.T) {
	compressing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		coding := r.Header.Get("Accept-Encoding")
		r.Header.Del("Accept-Encoding")
		w.Header().Set("Vary", "Accept-Encoding")
		w.Header().Set("Cache-Control", "max-age=1")
		w.Header().Set("ETag", `"1"`)
		write(w, coding)
	})
	for _, warm := range []string{"GET /", "HEAD /"} {
		t.Run(warm, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := openCache(t, larder.Options{}).FromHeaders()(compressing)
				ask(t, h, "/", "Accept-Encoding: gzip")
				time.Sleep(time.Second)
				ask(t, h, warm, "Accept-Encoding: gzip")
				if got := ask(t, h, "/"); got.hit() || got.body != "" {
					t.Errorf("without Accept-Encoding: %v", got)
				}
				if got := ask(t, h, "/", "Accept-Encoding: gzip"); !got.hit() || got.body != "gzip" {
					t.Errorf("asked again: %v", got)
				}
			})
		})
	}
}
