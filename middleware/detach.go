package middleware

import (
	"context"

	"github.com/go-chi/chi/v5"
)

// detached returns the context for a run that goes on after ServeHTTP has returned. chi recycles its routing context at that
// moment, so such a run needs one of its own, or it would see the parameters of whichever request comes next.
func detached(ctx context.Context) context.Context {
	routing, ok := ctx.Value(chi.RouteCtxKey).(*chi.Context)
	if !ok || routing == nil {
		return ctx
	}
	own := chi.NewRouteContext()
	own.Routes, own.RoutePath, own.RouteMethod = routing.Routes, routing.RoutePath, routing.RouteMethod
	own.URLParams.Keys = append(own.URLParams.Keys, routing.URLParams.Keys...)
	own.URLParams.Values = append(own.URLParams.Values, routing.URLParams.Values...)
	own.RoutePatterns = append(own.RoutePatterns, routing.RoutePatterns...)
	return context.WithValue(ctx, chi.RouteCtxKey, own)
}
