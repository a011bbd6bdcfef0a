package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	larder "github.com/larderhq/larder/middleware"
)

// A resolver is given a context, and its errors go out with a 200.
func ExampleEntryFromContext() {
	resolve := func(ctx context.Context) error {
		larder.EntryFromContext(ctx).Skip("errors")
		return errors.New("no such query")
	}
	cache := must(larder.New(larder.Options{}))
	h := cache.OneHour()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, resolve(r.Context()))
	}))
	show(h, "/graphql")
	show(h, "/graphql")
	// Output:
	// 200 "no such query"  ()
	// 200 "no such query"  ()
}
