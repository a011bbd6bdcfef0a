package middleware

import (
	"context"
	"strings"

	"github.com/go-chi/chi/v5"
)

// detached returns the context for a run that may go on after an outer ServeHTTP has returned: in the background, or at the request's
// deadline, where http.TimeoutHandler leaves a handler alone. chi recycles its routing context at that moment, so the run needs one of
// its own, or it would see, and store, the parameters of whichever request comes next. It reports false where that moment may have
// passed: the request's context has ended.
func detached(ctx context.Context, background bool) (own context.Context, ok bool) {
	routing, _ := ctx.Value(chi.RouteCtxKey).(*chi.Context)
	if _, timed := ctx.Deadline(); routing == nil || !timed && !background {
		return ctx, true // also since outer middlewares learn from it which route was found
	}
	if ctx.Err() != nil {
		return ctx, false
	}
	routing = routing.Clone()
	for i, value := range routing.URLParams.Values { // a server may write over them: see route.lasting
		routing.URLParams.Values[i] = strings.Clone(value)
	}
	notYet := context.AfterFunc(ctx, func() {}) // unlike Err, it makes the end of the context come after the copy
	return context.WithValue(ctx, chi.RouteCtxKey, routing), notYet()
}
