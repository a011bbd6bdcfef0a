package middleware_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	larder "github.com/larderhq/larder/middleware"
	"github.com/larderhq/larder/middleware/storetest"
	"github.com/redis/go-redis/v9"
)

// Each message names the option and says the cure.
func TestOptionsAreValidated(t *testing.T) {
	for name, tt := range map[string]struct {
		o    larder.Options
		want []string
	}{
		"typed nil client":    {larder.Options{Redis: (*redis.Client)(nil)}, []string{"Options.Redis is a nil *redis.Client", "leave it unset"}},
		"typed nil cluster":   {larder.Options{Redis: (*redis.ClusterClient)(nil)}, []string{"Options.Redis is a nil *redis.ClusterClient"}},
		"typed nil store":     {larder.Options{Store: (*storetest.Map)(nil)}, []string{"Options.Store is a nil *storetest.Map", "leave it unset"}},
		"Redis and Store":     {larder.Options{Redis: new(redis.Client), Store: new(storetest.Map)}, []string{"exclude each other", "set one"}},
		"no tier":             {larder.Options{MemoryBytes: -1}, []string{"MemoryBytes is negative", "Disabled"}},
		"Header":              {larder.Options{Header: "X Cache"}, []string{`Header "X Cache" is not a field name`}},
		"Header with a break": {larder.Options{Header: "X-Cache\r\n"}, []string{"is not a field name"}},
		"Header in use":       {larder.Options{Header: "cache-status"}, []string{`Header "cache-status" would take the place`, "leave it unset"}},
		"Targets":             {larder.Options{Targets: []string{"CDN-Cache-Control", ""}}, []string{`Targets holds ""`}},
		"negative": {
			larder.Options{MaxBodyBytes: -1, StoreTimeout: -1, FillTimeout: -1, Lease: -1},
			[]string{
				"larder: Options.MaxBodyBytes is negative: leave it 0 for the default\nlarder: Options.StoreTimeout is negative: leave it 0 for the default\n" +
					"larder: Options.FillTimeout is negative: leave it 0 for the default\nlarder: Options.Lease is negative: leave it 0 for the default",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := larder.New(tt.o)
			if err == nil {
				t.Fatal(c.Close())
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
		})
	}
}

func TestWiringPanics(t *testing.T) {
	c := openCache(t, larder.Options{})
	user := func(*http.Request) string { return "" }
	value := func(*http.Request) (any, error) { return 0, nil }
	for _, tt := range []struct {
		wire func()
		want string
	}{
		{func() { c.For(0) }, "larder: For(0s): the lifetime must be positive; to cache nothing leave the middleware out or set Options.Disabled, " +
			"to obey the handler's own Cache-Control say FromHeaders()"},
		{func() { c.For(-time.Second) }, "larder: For(-1s): the lifetime must be positive"},
		{func() { c.For(time.Second, nil) }, "larder: a nil Rule"},
		{func() { c.For(time.Second)(nil) }, "larder: the middleware was given a nil handler"},
		{func() { c.For(time.Second)(http.HandlerFunc(nil)) }, "larder: the middleware was given a nil handler"},
		{func() { new(larder.Cache).OneHour() }, "larder: this Cache is not one of New's: check the error of New"},
		{func() { (*larder.Cache)(nil).FromHeaders() }, "larder: this Cache is not one of New's"},
		{func() { new(larder.Cache).Invalidates() }, "larder: this Cache is not one of New's"},
		{func() { larder.Name("") }, `larder: Name(""): give the route a name or leave the rule out`},
		{func() { larder.Query() }, "say NoQuery() to ignore the query"},
		{func() { c.OneHour(larder.Query("a"), larder.NoQuery()) }, "larder: Query and NoQuery exclude each other: keep one"},
		{func() { c.OneHour(larder.NoQuery(), larder.Query("a")) }, "larder: Query and NoQuery exclude each other: keep one"},
		{func() { larder.Headers("Accept", "a b") }, `larder: Headers("a b"): not a field name`},
		{func() { larder.Headers("cookie") }, "name the cookies that matter with Cookies"},
		{func() { larder.Cookies("theme", "a b") }, `larder: Cookies("a b"): not a cookie name`},
		{func() { larder.Param("", value) }, "larder: Param needs a name and a function"},
		{func() { larder.Param("a", nil) }, "larder: Param needs a name and a function"},
		{func() { c.OneHour(larder.Param("a", value), larder.Param("a", value)) }, `larder: Param("a") is given twice`},
		{func() { larder.PerUser(nil) }, "larder: PerUser(nil): give a function that names the user"},
		{func() { c.OneHour(larder.Public(), larder.PerUser(user)) }, "larder: Public and PerUser exclude each other"},
		{func() { c.OneHour(larder.CDN(1), larder.PerUser(user)) }, "larder: PerUser and CDN exclude each other"},
		{func() { larder.Browser(-1) }, "larder: Browser(-1ns): the duration must not be negative; 0 means no-cache"},
		{func() { larder.CDN(-1) }, "larder: CDN(-1ns): the duration must not be negative"},
		{func() { larder.Stale(0) }, "larder: Stale(0s): the duration must be positive"},
		{func() { larder.Negative(0, 404) }, "larder: Negative(0s): the duration must be positive"},
		{func() { larder.Negative(1) }, "name them, as in Negative(time.Minute, 404, 410)"},
		{func() { larder.Negative(1, 404, 206) }, "larder: Negative: status 206 cannot be stored"},
		{func() { larder.Negative(1, 429) }, "larder: Negative: status 429 cannot be stored"},
		{func() { larder.Negative(1, 100) }, "larder: Negative: status 100 cannot be stored"},
		{func() { larder.Tags("a", "") }, `a tag is a text such as "items" or "item:{id}"`},
		{func() { larder.Tags("item:{id") }, `larder: Tags("item:{id")`},
		{func() { c.Invalidates("item:id}") }, `larder: Invalidates("item:id}")`},
		{func() { larder.Tags("item:{id:[0-9]+}") }, `larder: Tags("item:{id:[0-9]+}")`},
		{func() { larder.Tags("file:{rest...}") }, "with the bare names of wildcards"},
		{func() { larder.Tags("item:{}") }, `larder: Tags("item:{}")`},
		{func() { larder.Tags("{a{b}}") }, `larder: Tags("{a{b}}")`},
		{func() { larder.Tags("}{") }, `larder: Tags("}{")`},
		{func() { c.Invalidates()(nil) }, "larder: the middleware was given a nil handler"},
	} {
		func() {
			defer func() {
				if got, _ := recover().(string); !strings.Contains(got, tt.want) {
					t.Errorf("panic %q, want %q in it", got, tt.want)
				}
			}()
			tt.wire()
		}()
	}
}

// A rule is a value: one list of rules, as a preset of one's own keeps it, serves many routes.
func TestRulesAreSharedByRoutes(t *testing.T) {
	c := openCache(t, larder.Options{StatusKey: true})
	preset := []larder.Rule{larder.Query("b"), larder.Headers("Accept"), larder.Negative(time.Minute, 404), larder.Tags("x")}
	one := c.OneHour(append(preset, larder.Query("a"), larder.Headers("Origin"))...)(new(counted))
	two := c.OneHour(preset...)(new(counted))
	if got, want := stored(t, one, "/1?a=1&b=2&c=3"), "larder:shop.example/1(a=1,b=2,header:Accept,header:Origin)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := stored(t, two, "/2?a=1&b=2&c=3"), "larder:shop.example/2(b=2,header:Accept)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
