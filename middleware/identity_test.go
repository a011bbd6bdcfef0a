package middleware_test

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	larder "github.com/larderhq/larder/middleware"
)

const apiKey = "X-Api-Key"

// keyHolder is the page of whoever sent a key, with a Vary or Cache-Control where the request asks for one.
func keyHolder(w http.ResponseWriter, r *http.Request) {
	sayAsAsked(w, r)
	time.Sleep(time.Millisecond)
	write(w, "page of "+r.Header.Get(apiKey))
}

func sayAsAsked(w http.ResponseWriter, r *http.Request) {
	for name, as := range map[string]string{"Say": "Cache-Control", "Say-Vary": "Vary"} {
		for _, value := range r.Header[name] {
			w.Header().Set(as, value)
		}
	}
}

// TestIdentityFields: what a handler answers to somebody's key is for nobody else, unless the author of the route or the response has
// said whom it is for.
func TestIdentityFields(t *testing.T) {
	byKey := func(r *http.Request) string { return r.Header.Get(apiKey) }
	hour := func(rules ...larder.Rule) func(*larder.Cache) http.Handler {
		return func(c *larder.Cache) http.Handler { return c.OneHour(rules...)(http.HandlerFunc(keyHolder)) }
	}
	for name, tt := range map[string]struct {
		wire   func(*larder.Cache) http.Handler
		fields []string
		status string // of ann's first answer
		again  string // X-Cache of her second
		bob    string // his page
	}{
		"no rule":         {hour(), nil, "larder; fwd=uri-miss; detail=identity", "", "bob"},
		"Cookies":         {hour(larder.Cookies("theme")), nil, "larder; fwd=uri-miss; detail=identity", "", "bob"},
		"Headers":         {hour(larder.Headers(apiKey)), nil, "larder; fwd=uri-miss; stored", "Hit", "bob"},
		"other Headers":   {hour(larder.Headers("Accept")), nil, "larder; fwd=uri-miss; detail=identity", "", "bob"},
		"PerUser":         {hour(larder.PerUser(byKey)), nil, "larder; fwd=uri-miss; stored", "Hit", "bob"},
		"Param":           {hour(larder.Param("key", func(r *http.Request) (any, error) { return byKey(r), nil })), nil, "larder; fwd=uri-miss; detail=identity", "", "bob"},
		"Param, Public":   {hour(larder.Public(), larder.Param("key", func(r *http.Request) (any, error) { return byKey(r), nil })), nil, "larder; fwd=uri-miss; stored", "Hit", "bob"},
		"Public":          {hour(larder.Public()), nil, "larder; fwd=uri-miss; stored", "Hit", "ann"},
		"public":          {hour(), []string{"Say: public"}, "larder; fwd=uri-miss; stored", "Hit", "ann"},
		"Vary":            {hour(), []string{"Say-Vary: " + apiKey}, "larder; fwd=uri-miss; stored", "Hit", "bob"},
		"another Vary":    {hour(), []string{"Say-Vary: Accept"}, "larder; fwd=uri-miss; detail=identity", "", "bob"},
		"Vary of a route": {func(c *larder.Cache) http.Handler { return c.OneHour()(hour(larder.Headers(apiKey))(c)) }, nil, "larder; fwd=uri-miss; stored", "Hit", "bob"},
		"FromHeaders": {
			func(c *larder.Cache) http.Handler { return c.FromHeaders()(http.HandlerFunc(keyHolder)) },
			[]string{"Say: max-age=60"},
			"larder; fwd=uri-miss; stored", "Hit", "ann",
		}, // RFC 9111 §3.5 knows Authorization only
	} {
		t.Run(name, func(t *testing.T) {
			h := tt.wire(openCache(t, larder.Options{}))
			ann := append([]string{apiKey + ": ann"}, tt.fields...)
			if got := ask(t, h, "/", ann...).header["Cache-Status"]; len(got) == 0 || got[len(got)-1] != tt.status {
				t.Errorf("Cache-Status %q, want %s", got, tt.status)
			}
			expectFields(t, ask(t, h, "/", ann...), "X-Cache: "+tt.again)
			if got := ask(t, h, "/", append([]string{apiKey + ": bob"}, tt.fields...)...); got.body != "page of "+tt.bob {
				t.Errorf("bob got the %s", got.body)
			}
		})
	}
}

// TestIdentityFieldsAtOnce: nobody waits for the answer to somebody else's key, or is given it by a refresh.
func TestIdentityFieldsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := &counted{answer: keyHolder}
		h := openCache(t, larder.Options{}).OneMinute(larder.Stale(time.Hour))(handler)
		var wg sync.WaitGroup
		for _, who := range []string{"ann", "bob", "ann", ""} {
			wg.Go(func() {
				if got := ask(t, h, "/", apiKey+": "+who); got.body != "page of "+who {
					t.Errorf("%q got the %s", who, got.body)
				}
			})
		}
		wg.Wait()
		ask(t, h, "/")
		time.Sleep(2 * time.Minute)
		before := handler.runs.Load()
		if got := ask(t, h, "/", apiKey+": ann"); got.body != "page of " {
			t.Errorf("ann got the %s", got.body)
		}
		synctest.Wait()
		if n := handler.runs.Load() - before; n != 0 {
			t.Errorf("%d refreshes in her name", n)
		}
	})
}

// TestAdviceOnIdentityFields names the field, once, and never what it holds.
func TestAdviceOnIdentityFields(t *testing.T) {
	var log journal
	h := openCache(t, larder.Options{Logger: log.logger()}).OneHour()(http.HandlerFunc(keyHolder))
	for range 2 {
		ask(t, h, "/", apiKey+": secret")
	}
	if log.count("level=INFO", "requests with credentials are not cached", "field="+apiKey, "cure=", "Headers(") != 1 || log.count("secret") != 0 {
		t.Errorf("the log says\n%s", log.String())
	}
}

// TestIdentityFieldsStale: what is stored for the requests of somebody's key, or for all, is refreshed by them and stands in for a failure.
func TestIdentityFieldsStale(t *testing.T) {
	for name, field := range map[string]string{"public": "Say: public", "Vary": "Say-Vary: " + apiKey} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fails := false
				handler := &counted{answer: func(w http.ResponseWriter, r *http.Request) {
					if fails {
						w.WriteHeader(http.StatusServiceUnavailable)
						return
					}
					w.Header().Set("Etag", `"v1"`)
					if r.Header.Get("If-None-Match") == `"v1"` {
						sayAsAsked(w, r)
						w.WriteHeader(http.StatusNotModified)
						return
					}
					keyHolder(w, r)
				}}
				c := openCache(t, larder.Options{})
				ann := []string{apiKey + ": ann", field}

				h := c.OneMinute(larder.Stale(time.Hour), larder.Name("refreshed"))(handler)
				ask(t, h, "/", ann...)
				time.Sleep(2 * time.Minute)
				ask(t, h, "/", ann...)
				synctest.Wait()
				if n := handler.runs.Load(); n != 2 {
					t.Errorf("%d runs, want 2: no refresh", n)
				}
				expectFields(t, ask(t, h, "/", ann...), "Cache-Status: larder; hit; ttl=60")

				h = c.OneMinute(larder.StaleIfError(time.Hour), larder.Name("failing"))(handler)
				ask(t, h, "/", ann...)
				time.Sleep(2 * time.Minute)
				expectFields(t, ask(t, h, "/", ann...), "Cache-Status: larder; fwd=stale; fwd-status=304; stored")
				time.Sleep(2 * time.Minute)
				fails = true
				if got := ask(t, h, "/", ann...); got.status != http.StatusOK || got.body != "page of ann" {
					t.Errorf("%d %q in the place of a failure, %q", got.status, got.body, got.header["Cache-Status"])
				}
			})
		})
	}
}

// TestIdentityFieldsOfARefresh: a refresh on behalf of somebody's key whose answer no longer varies by it is not for all, also where what
// was known of the variants has ended meanwhile.
func TestIdentityFieldsOfARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := &counted{}
		handler.answer = func(w http.ResponseWriter, r *http.Request) {
			if handler.runs.Load() == 1 {
				w.Header().Set("Vary", apiKey)
			} else {
				time.Sleep(10 * time.Second)
			}
			write(w, "page of "+r.Header.Get(apiKey))
		}
		h := openCache(t, larder.Options{}).OneMinute(larder.Stale(time.Minute))(handler)
		ask(t, h, "/", apiKey+": ann")
		time.Sleep(2*time.Minute - 5*time.Second)
		ask(t, h, "/", apiKey+": ann")
		time.Sleep(15 * time.Second)
		if got := ask(t, h, "/", apiKey+": bob"); got.body != "page of bob" {
			t.Errorf("bob got the %s", got.body)
		}
	})
}
