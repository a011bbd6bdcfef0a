package main

import "net/http"

// client is the ResponseWriter of a client, to whom ReverseProxy and net/http would say too much, or too little.
type client struct {
	http.ResponseWriter
	old    bool     // HTTP/1.0
	status []string // Cache-Status of the cache in front of us
}

func newClient(w http.ResponseWriter, r *http.Request) *client {
	c := &client{ResponseWriter: w, old: !r.ProtoAtLeast(1, 1)}
	if r.Header.Get("Upgrade") == "" { // a 101 is not written by WriteHeader
		c.status = w.Header()["Cache-Status"]
		delete(w.Header(), "Cache-Status")
	}
	return c
}

// WriteHeader keeps interim responses from clients of HTTP/1.0 (RFC 9110 §15.2). To a final one it adds what ReverseProxy would have
// cleared with each of them, the cache's own status, behind that of the caches before (RFC 9211 §2), and keeps net/http's server
// from guessing a Content-Type where the origin gives none: that is not a gateway's to say.
func (c *client) WriteHeader(status int) {
	h := c.Header()
	switch interim := status < 200 && status != http.StatusSwitchingProtocols; {
	case interim && c.old:
		return
	case !interim:
		if len(c.status) > 0 {
			h["Cache-Status"] = append(h["Cache-Status"], c.status...)
			c.status = nil
		}
		if len(h["Content-Type"]) == 0 {
			h["Content-Type"] = nil
		}
	}
	c.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the rest.
func (c *client) Unwrap() http.ResponseWriter { return c.ResponseWriter }
