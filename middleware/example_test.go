package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	larder "github.com/larderhq/larder/middleware"
	"github.com/larderhq/larder/middleware/storetest"
	"github.com/redis/go-redis/v9"
)

// show asks h and prints what matters of the answer.
func show(h http.Handler, target string, fields ...string) {
	r := httptest.NewRequest(http.MethodGet, "http://shop.example"+target, nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Printf("%d %q %s (%s)\n", w.Code, w.Body, w.Header().Get("X-Cache"), w.Header().Get("Cache-Control"))
}

// user answers with the id in the path.
func user(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "user %s, page %s", r.PathValue("id"), r.FormValue("page"))
}

// must is for examples; a program handles the error.
func must(c *larder.Cache, err error) *larder.Cache {
	if err != nil {
		panic(err)
	}
	return c
}

// The zero value of Options is a bounded cache in memory.
func ExampleNew() {
	cache, err := larder.New(larder.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { fmt.Println(cache.Close()) }()

	mux := http.NewServeMux()
	mux.Handle("GET /users/{id}", cache.OneHour()(http.HandlerFunc(user)))
	show(mux, "/users/1")
	show(mux, "/users/1")
	// Output:
	// 200 "user 1, page " Miss (max-age=3600)
	// 200 "user 1, page " Hit (max-age=3600)
	// <nil>
}

// With Redis a fleet shares what each process stores. New does not need Redis to be up.
func ExampleNew_redis() {
	client := redis.NewClient(&redis.Options{Addr: "localhost:6379"})
	cache, err := larder.New(larder.Options{Redis: client, Prefix: "myapi-cache"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() {
		_ = cache.Close() // before the client, which stays the program's own
		_ = client.Close()
	}()
	mux := http.NewServeMux()
	mux.Handle("GET /users/{id}", cache.OneHour()(http.HandlerFunc(user)))
}

// A store of one's own takes the place of Redis.
func ExampleNew_store() {
	cache := must(larder.New(larder.Options{Store: new(storetest.Map)}))
	h := cache.OneHour()(http.HandlerFunc(user))
	show(h, "/")
	show(h, "/")
	// Output:
	// 200 "user , page " Miss (max-age=3600)
	// 200 "user , page " Hit (max-age=3600)
}

func ExampleNew_wrong() {
	var client *redis.Client // forgotten
	_, err := larder.New(larder.Options{Redis: client, StoreTimeout: -time.Second})
	fmt.Println(err)
	// Output:
	// larder: Options.Redis is a nil *redis.Client: leave it unset for memory only, or make a client
	// larder: Options.StoreTimeout is negative: leave it 0 for the default
}

func ExampleCache_For() {
	cache := must(larder.New(larder.Options{}))
	h := cache.For(30 * time.Second)(http.HandlerFunc(user))
	show(h, "/")
	show(h, "/")
	show(h, "/", "If-None-Match", "*")
	show(h, "/", "Cache-Control", "no-cache")
	// Output:
	// 200 "user , page " Miss (max-age=30)
	// 200 "user , page " Hit (max-age=30)
	// 304 "" Hit (max-age=30)
	// 200 "user , page "  ()
}

// A preset of one's own is a function.
func ExampleCache_For_preset() {
	cache := must(larder.New(larder.Options{}))
	catalogue := func(next http.HandlerFunc, rules ...larder.Rule) http.Handler {
		rules = append(rules, larder.Query("page"), larder.Browser(time.Minute), larder.Negative(10*time.Second, http.StatusNotFound))
		return cache.For(6*time.Hour, rules...)(next)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /users/{id}", catalogue(user, larder.Name("api.get_user")))
	show(mux, "/users/1?page=2")
	show(mux, "/users/1?page=2&utm_source=mail")
	// Output:
	// 200 "user 1, page 2" Miss (max-age=60)
	// 200 "user 1, page 2" Hit (max-age=60)
}

// FromHeaders leaves it to the handler to say what may be stored.
func ExampleCache_FromHeaders() {
	cache := must(larder.New(larder.Options{}))
	h := cache.FromHeaders()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		fmt.Fprint(w, "hello")
	}))
	show(h, "/")
	show(h, "/")
	// Output:
	// 200 "hello" Miss (public, max-age=60)
	// 200 "hello" Hit (public, max-age=60)
}

func ExampleQuery() {
	cache := must(larder.New(larder.Options{}))
	h := cache.OneHour(larder.Query("page"))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.RawQuery)
	}))
	show(h, "/?page=2&utm_source=mail")
	show(h, "/?page=2")
	show(h, "/?page=3")
	// Output:
	// 200 "page=2" Miss (max-age=3600)
	// 200 "page=2" Hit (max-age=3600)
	// 200 "page=3" Miss (max-age=3600)
}

func ExamplePerUser() {
	cache := must(larder.New(larder.Options{}))
	name := func(r *http.Request) string { // verified by a middleware outside
		name, _, _ := r.BasicAuth()
		return name
	}
	h := cache.OneHour(larder.PerUser(name))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello ", name(r))
	}))
	show(h, "/", "Authorization", "Basic YW5uOng=")
	show(h, "/", "Authorization", "Basic Ym9iOng=")
	show(h, "/", "Authorization", "Basic YW5uOng=")
	show(h, "/")
	// Output:
	// 200 "hello ann" Miss (private, max-age=3600)
	// 200 "hello bob" Miss (private, max-age=3600)
	// 200 "hello ann" Hit (private, max-age=3600)
	// 200 "hello "  ()
}

func ExampleParam() {
	cache := must(larder.New(larder.Options{}))
	date := func(r *http.Request) (any, error) { return time.Parse("20060102", r.FormValue("game_date")) }
	h := cache.OneHour(larder.Query("game_date"), larder.Param("game_date", date))(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			day, err := date(r)
			if err != nil {
				http.Error(w, "no such day", http.StatusBadRequest)
				return
			}
			fmt.Fprint(w, day.(time.Time).Weekday())
		}))
	show(h, "/?game_date=yesterday")
	show(h, "/?game_date=20190509")
	show(h, "/?game_date=20190509")
	// Output:
	// 400 "no such day\n"  ()
	// 200 "Thursday" Miss (max-age=3600)
	// 200 "Thursday" Hit (max-age=3600)
}

func ExampleNegative() {
	cache := must(larder.New(larder.Options{}))
	h := cache.OneHour(larder.Negative(time.Minute, http.StatusNotFound))(http.NotFoundHandler())
	show(h, "/")
	show(h, "/")
	// Output:
	// 404 "404 page not found\n" Miss (max-age=60)
	// 404 "404 page not found\n" Hit (max-age=60)
}

func ExampleCache_Invalidate() {
	cache := must(larder.New(larder.Options{}))
	mux := http.NewServeMux()
	mux.Handle("GET /users/{id}", cache.OneHour(larder.Tags("user:{id}"))(http.HandlerFunc(user)))
	show(mux, "/users/1")
	show(mux, "/users/1")
	if err := cache.Invalidate(context.Background(), larder.Tag("user:1")); err != nil {
		fmt.Println(err)
	}
	show(mux, "/users/1")
	// Output:
	// 200 "user 1, page " Miss (no-cache)
	// 200 "user 1, page " Hit (no-cache)
	// 200 "user 1, page " Miss (no-cache)
}

func ExampleCache_Invalidates() {
	cache := must(larder.New(larder.Options{}))
	mux := http.NewServeMux()
	mux.Handle("GET /users/{id}", cache.OneHour()(http.HandlerFunc(user)))
	mux.Handle("PUT /users/{id}", cache.Invalidates()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})))
	show(mux, "/users/1")
	mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPut, "http://shop.example/users/1", nil))
	show(mux, "/users/1")
	// Output:
	// 200 "user 1, page " Miss (max-age=3600)
	// 200 "user 1, page " Miss (max-age=3600)
}

func ExampleEntry() {
	cache := must(larder.New(larder.Options{}))
	h := cache.OneHour()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/live" {
			larder.Entry(r).TTL(5 * time.Second)
		} else {
			larder.Entry(r).Skip("half done")
		}
		fmt.Fprint(w, "report")
	}))
	show(h, "/live")
	show(h, "/draft")
	// Output:
	// 200 "report" Miss (max-age=5)
	// 200 "report"  ()
}
