package main

import (
	"net"
	"net/http"
	"strconv"
)

// gateway does what concerns a request before it is looked up: it counts how far TRACE and OPTIONS may go, and writes down where the
// request came from. That stands in front of the cache, as the origin may say that its response varies by it.
func gateway(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !countDown(r) {
			answerHere(w, r)
			return
		}
		setForwarded(r)
		next.ServeHTTP(w, r)
	})
}

// countDown lowers Max-Forwards (RFC 9110 §7.6.2). It reports false where the request may go no further.
func countDown(r *http.Request) bool {
	if r.Method != http.MethodOptions && r.Method != http.MethodTrace {
		return true
	}
	left, err := strconv.ParseUint(r.Header.Get("Max-Forwards"), 10, 32)
	switch {
	case err != nil: // absent, or nothing to count by
		return true
	case left == 0:
		return false
	}
	r.Header.Set("Max-Forwards", strconv.FormatUint(left-1, 10))
	return true
}

// answerHere answers a request that may go no further. A TRACE is not reflected: what a proxy before us has added to it is not for
// scripts to read.
func answerHere(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodTrace {
		w.WriteHeader(http.StatusNotImplemented)
		return
	}
	w.Header().Set("Content-Length", "0")
}

// forwarded are the fields that say where a request came from. A client's own are not believed.
var forwarded = [...]string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}

func setForwarded(r *http.Request) {
	proto, address := "http", r.RemoteAddr
	if r.TLS != nil {
		proto = "https"
	}
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	for i, value := range [...]string{address, r.Host, proto} {
		r.Header[forwarded[i]] = []string{value}
	}
}
