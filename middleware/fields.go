package middleware

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/larderhq/larder/internal/store"
)

// fieldRoom holds the fields of a response in one piece with its run, as they were written and as they are stored. What is too
// much for it goes elsewhere.
type fieldRoom struct {
	fields [10]store.Field
	texts  [8]string
	used   []string // of texts
}

// snapshot copies a header, so that what is done to the map later changes nothing.
func (r *fieldRoom) snapshot(h http.Header) []store.Field {
	fields := r.fields[:0]
	r.used = r.texts[:0]
	for name, values := range h {
		fields = append(fields, store.Field{Name: name, Values: r.list(values...)})
	}
	return slices.Clip(fields)
}

// rest is the room for fields that is left behind the first n.
func (r *fieldRoom) rest(n int) []store.Field {
	n = min(n, len(r.fields))
	return r.fields[n:n]
}

// list returns a copy of values, with no room behind it.
func (r *fieldRoom) list(values ...string) []string {
	start := len(r.used)
	r.used = append(r.used, values...)
	return slices.Clip(r.used[start:])
}

// restore makes h hold exactly the fields of a snapshot, and the trailers that were added since.
func restore(h http.Header, fields []store.Field) {
	maps.DeleteFunc(h, func(name string, _ []string) bool { return !strings.HasPrefix(name, http.TrailerPrefix) })
	for _, f := range fields {
		h[f.Name] = f.Values
	}
}

// rewind is restore for what a handler has written. A field that has not changed keeps its slice, since it is by their slices that own
// knows the fields of outer middlewares. One that passed for the handler's would be stored, and go to other clients.
func rewind(h http.Header, fields []store.Field) {
	maps.DeleteFunc(h, func(name string, _ []string) bool {
		return !strings.HasPrefix(name, http.TrailerPrefix) && !hasField(fields, name)
	})
	for _, f := range fields {
		if now, there := h[f.Name]; !there || !slices.Equal(now, f.Values) {
			h[f.Name] = f.Values
		}
	}
}

// copyTrailers copies the trailers that were set without an announcement.
func copyTrailers(to, from http.Header) {
	for name, values := range from {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			to[name] = values
		}
	}
}

// canonicalise gives fields that were put into the map by hand the names that all else goes by: net/http sends them as they are, so
// that a "set-cookie" is one to the client and must be one to us.
func canonicalise(h http.Header) {
	for name, values := range h {
		if canonical := http.CanonicalHeaderKey(name); canonical != name {
			delete(h, name)
			h[canonical] = append(slices.Clip(h[canonical]), values...)
		}
	}
}

// outerFields are what outer middlewares had set before the handler ran. Their slices are kept as they are: a handler that sets
// the same value anew is told apart by that.
func outerFields(h http.Header) []store.Field {
	if len(h) == 0 {
		return nil
	}
	canonicalise(h)
	fields := make([]store.Field, 0, len(h))
	for name, values := range h {
		fields = append(fields, store.Field{Name: name, Values: values})
	}
	return fields
}

// apart copies a header for a handler that may go on when its client has been answered. It keeps the slices, by which own goes, but
// leaves no room to append to them.
func apart(h http.Header) http.Header {
	own := make(http.Header, len(h))
	for name, values := range h {
		own[name] = slices.Clip(values)
	}
	return own
}

// own returns which part of a field the handler set itself: nothing, what it added, or all of it.
func own(outer []store.Field, now http.Header, f store.Field) (mine store.Field, found bool) {
	theirs := fieldIn(outer, f.Name)
	if theirs == nil {
		return f, true
	}
	before, after := theirs.Values, now[f.Name]
	n := len(before)
	switch {
	case len(f.Values) < n || !slices.Equal(before, f.Values[:n]):
		return f, true
	case len(f.Values) > n:
		f.Values, f.Append = slices.Clip(f.Values[n:]), true
		return f, true
	case n > 0 && len(after) > 0 && &before[0] != &after[0]:
		return f, true // set anew, to the same
	default:
		return f, false
	}
}

// storable returns the fields of a recorded response that are stored: the handler's own, but for those that never are. A field
// of an outer middleware that the handler has deleted is stored without values, so that a hit deletes it as well.
func (rec *recorder) storable() []store.Field {
	if rec.kept != nil {
		return rec.kept
	}
	outer, never := rec.u.outer, rec.u.unstored
	kept := rec.room.rest(len(rec.fields))
	for _, f := range rec.fields {
		if mine, found := own(outer, rec.header, f); found && !never(f.Name) && f.Name != "Content-Length" {
			kept = append(kept, mine)
		}
	}
	for _, o := range outer {
		if !hasField(rec.fields, o.Name) && !never(o.Name) {
			kept = append(kept, store.Field{Name: o.Name})
		}
	}
	rec.kept = kept // by the header as it was before we added ours
	return kept
}

// own returns the fields that the handler set itself: what outer middlewares set is theirs to set again.
func (rec *recorder) own() http.Header {
	if rec.mine != nil {
		return rec.mine
	}
	h := make(http.Header, len(rec.fields)) // not the live map: what is done to it after WriteHeader changes nothing
	for _, f := range rec.fields {
		if mine, found := own(rec.u.outer, rec.header, f); found {
			h[f.Name] = mine.Values
		}
	}
	rec.mine = h
	return h
}

// header is fields as a map, which shares their values.
func header(fields []store.Field) http.Header {
	h := make(http.Header, len(fields))
	for _, f := range fields {
		h[f.Name] = f.Values
	}
	return h
}

// supply adds a field where there is none, or where it is stored without values to delete that of an outer middleware.
func supply(fields []store.Field, name string, values []string) []store.Field {
	f := fieldIn(fields, name)
	switch {
	case f == nil:
		return append(fields, store.Field{Name: name, Values: values})
	case f.Values == nil:
		f.Values = values
	}
	return fields
}

func hasField(fields []store.Field, name string) bool { return fieldIn(fields, name) != nil }

// fieldIn returns the field of a name, or nil. It is a part of fields.
func fieldIn(fields []store.Field, name string) *store.Field {
	for i := range fields {
		if fields[i].Name == name {
			return &fields[i]
		}
	}
	return nil
}
