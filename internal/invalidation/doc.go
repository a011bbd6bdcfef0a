// Package invalidation holds the invalidation log: which selectors were invalidated, in which order, and whether a stored response is still valid.
//
// A purge is one record appended to one ordered log, and a stored response carries the position that its log had before its handler ran.
// The response is usable while none of its selectors was invalidated later and the log was heard of recently. docs/invalidation.md explains
// the promise that follows and its limits.
//
// The protocol (core and what it holds) is free of I/O and clocks: requests go out of it, replies and clock readings go in. Log drives it
// with goroutines and Redis, or with neither for a cache that lives in one process.
package invalidation
