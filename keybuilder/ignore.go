package keybuilder

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
)

// builtin are types of values that live as long as a request or the process. They say how a response is made, not what is in it.
// The interfaces come last, since matching them takes longest.
var builtin = []reflect.Type{
	reflect.TypeFor[*http.Request](),
	reflect.TypeFor[*sql.DB](),
	reflect.TypeFor[*sql.Tx](),
	reflect.TypeFor[*sql.Conn](),
	reflect.TypeFor[*slog.Logger](),
	reflect.TypeFor[http.ResponseWriter](),
	reflect.TypeFor[context.Context](),
}

// withoutNil returns a copy, so that the caller's slice stays the caller's.
func withoutNil(types []reflect.Type) []reflect.Type {
	return slices.DeleteFunc(slices.Clone(types), func(t reflect.Type) bool { return t == nil })
}

// ignores reports whether v stays out of keys for its type. A nil interface has no type and does not.
func (b Builder) ignores(v any) bool {
	if v == nil {
		return false
	}
	t := reflect.TypeOf(v)
	return matches(builtin, t) || matches(b.ignored, t)
}

func matches(types []reflect.Type, t reflect.Type) bool {
	for _, ignored := range types {
		if t == ignored || ignored.Kind() == reflect.Interface && t.Implements(ignored) {
			return true
		}
	}
	return false
}
