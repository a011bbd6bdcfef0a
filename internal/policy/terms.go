// Package policy holds the rules of HTTP caching as pure functions of fields, status and times: RFC 9111, and what
// RFC 9110, 5861 and 9213 add to it. Nothing here reads a clock, waits, or writes a response.
package policy

import "time"

// Source says who set a stored response's freshness lifetime.
type Source uint8

const (
	// Explicit is a lifetime from the response's own fields (RFC 9111 §4.2.1), or the route's where those fields tell clients
	// another one.
	Explicit Source = iota
	// Route is a lifetime that the route or the handler gave to the cache alone: For, Negative, Entry(r).TTL.
	Route
	// Heuristic is a lifetime worked out from Last-Modified (RFC 9111 §4.2.2).
	Heuristic
)

// Terms are what is worked out once, when a response is stored, so that reuse is arithmetic with one clock reading.
// All durations are ≥ 0.
type Terms struct {
	Lifetime        time.Duration // freshness lifetime (RFC 9111 §4.2.1)
	InitialAge      time.Duration // corrected_initial_age at ResponseTime (RFC 9111 §4.2.3); 0 for Route
	ResponseTime    int64         // when the response was received, Unix nanoseconds
	WhileRevalidate time.Duration // how long past freshness it may be served while it is refreshed (RFC 5861 §3)
	IfError         time.Duration // how long past freshness it may be served when the handler fails (RFC 5861 §4)
	Source          Source
	AlwaysValidate  bool // no-cache: never reused without validation
	MustRevalidate  bool // stale reuse is forbidden: must-revalidate, proxy-revalidate, s-maxage, no-cache
	Shareable       bool // public, s-maxage or must-revalidate: may answer a request with credentials (RFC 9111 §3.5)
	Private         bool // told to clients as private
}
