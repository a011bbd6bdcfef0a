package middleware

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/larderhq/larder/internal/invalidation"
)

const (
	// catchUp is how long a request waits for its process to see what its client has written.
	catchUp = 5 * time.Millisecond
	// markerLeases is how many leases a marker lives: after one, every process has caught up without it.
	markerLeases = 5
)

// mark gives the client of a write a cookie that holds how far the log was: no replica answers it with anything older. Where
// the log did not take the purge, the client passes the caches by for as long.
func (c *Cache) mark(h http.Header, failed error) {
	if c.opt.ReadYourWrites == "" {
		return
	}
	position := "unknown"
	if failed == nil {
		position = c.log.Note().Position.String()
	}
	marker := http.Cookie{
		Name: c.opt.ReadYourWrites, Value: position, Path: "/",
		MaxAge: int(max(time.Second, markerLeases*c.opt.Lease) / time.Second), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	h.Add("Set-Cookie", marker.String())
}

// caughtUp reports whether this process has seen what the client has written, waiting a moment for it. The marker is unsigned:
// whatever it holds, the wait is for a place that the log really has.
func (x *exchange) caughtUp() bool {
	name := x.rt.c.opt.ReadYourWrites
	if name == "" || len(x.r.Header["Cookie"]) == 0 {
		return true
	}
	marker, err := x.r.Cookie(name)
	if err != nil {
		return true
	}
	p, ok := invalidation.ParsePosition(marker.Value)
	if !ok {
		return false
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), catchUp)
	defer cancel()
	return x.rt.c.log.Wait(ctx, p)
}

// onlyMarker reports whether the request's only cookie is ours, which changes no answer.
func (c *Cache) onlyMarker(lines []string) bool {
	name := c.opt.ReadYourWrites
	if name == "" || len(lines) != 1 {
		return false
	}
	value, found := strings.CutPrefix(lines[0], name+"=")
	return found && !strings.Contains(value, ";")
}
