package middleware

import (
	"context"

	"github.com/go-chi/chi/v5"
)

// detached returns the context for a run that may go on after an outer ServeHTTP has returned: in the background, or behind
// http.TimeoutHandler, which leaves a handler alone that is too slow. chi recycles its routing context at that moment, so the run
// needs one of its own, or it would see, and store, the parameters of whichever request comes next. It reports false where that
// moment may have passed: the request's context has ended.
func detached(ctx context.Context) (own context.Context, ok bool) {
	r := routing(ctx)
	if r == nil {
		return ctx, true
	}
	if ctx.Err() != nil {
		return ctx, false
	}
	r = r.Clone()
	notYet := context.AfterFunc(ctx, func() {}) // unlike Err, it makes the end of the context come after the copy
	return context.WithValue(ctx, chi.RouteCtxKey, r), notYet()
}

func routing(ctx context.Context) *chi.Context {
	r, _ := ctx.Value(chi.RouteCtxKey).(*chi.Context)
	return r
}

// tellRoute lets outer middlewares know the route, by which they name metrics and traces, where it was found inside of the cache.
func tellRoute(request, run context.Context) {
	outer, own := routing(request), routing(run)
	if outer == nil || request.Err() != nil || len(own.RoutePatterns) == len(outer.RoutePatterns) {
		return
	}
	outer.RoutePatterns = append(outer.RoutePatterns[:0], own.RoutePatterns...)
	outer.URLParams.Keys = append(outer.URLParams.Keys[:0], own.URLParams.Keys...)
	outer.URLParams.Values = append(outer.URLParams.Values[:0], own.URLParams.Values...)
}
