package middleware

import (
	"slices"

	"github.com/larderhq/larder/internal/policy"
	"github.com/larderhq/larder/internal/store"
)

// selecting are the fields that select among the variants of a response's key: those of its Vary, of the routes inside and of what outer
// middlewares had in theirs, but for what the key splits by anyway.
func (u *run) selecting(s *response) []string {
	names, _ := varyNames(s.fields)
	_, inside := u.said.apart()
	names = append(names, inside...)
	outer, _ := varyNames(u.outer)
	for _, name := range outer {
		if u.rt.heeds(name) {
			names = append(names, name)
		}
	}
	return uniqueSorted(slices.DeleteFunc(names, func(name string) bool {
		return slices.Contains(u.rt.headers, name) || name == "Cookie" && u.rt.hasCookies
	}))
}

// heeds reports whether a field that an outer middleware's Vary names selects among our variants. It does, since what the middleware
// made of it for the handler, such as a tenant, may show in the response. What CORS and compression vary by does not: they change
// fields and coding on the way out, of hits as well. Nor do credentials that the route vouches for.
func (rt *route) heeds(name string) bool {
	switch name {
	case "Accept-Encoding", "Origin", "Access-Control-Request-Headers", "Access-Control-Request-Method":
		return false
	case "Authorization", "Cookie":
		return !rt.public && rt.user == nil
	}
	return true
}

// varyNames are the fields that Vary names; all where it says "*".
func varyNames(fields []store.Field) (names []string, all bool) {
	if f := fieldIn(fields, "Vary"); f != nil {
		return policy.VaryNames(f.Values)
	}
	return nil, false
}
