package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// onWire sends a request, which it completes, from an address and returns all that comes back until the connection is closed.
func onWire(t *testing.T, url, from, request string) string {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.DialContext(context.Background(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // it is closed already
	message := request + "\nHost: shop.example\nConnection: close\n\n"
	if _, err := io.WriteString(conn, strings.ReplaceAll(message, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(answer), "\r\n", "\n")
}

// A response that varies by where the request came from is for those who come from there, whatever others say of themselves.
func TestVaryByAddress(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "X-Forwarded-For")
		_, _ = io.WriteString(w, "for "+r.Header.Get("X-Forwarded-For"))
	})
	url, _ := start(t, "-origin", origin.URL)
	for _, from := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.1"} {
		for _, claim := range []string{"", "\nX-Forwarded-For: 127.0.0.9"} {
			if a := onWire(t, url, from, "GET / HTTP/1.1"+claim); !strings.HasSuffix(a, "\n\nfor "+from) {
				t.Errorf("%s, claiming %q, got:\n%s", from, claim, a)
			}
		}
	}
}

// RFC 9110 §7.6.2: Max-Forwards counts for TRACE and OPTIONS.
func TestMaxForwards(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Left", strings.Join(r.Header["Max-Forwards"], ", "))
	})
	url, _ := start(t, "-origin", origin.URL)
	for _, tt := range []struct {
		method, sent string
		status       int
		left         string
	}{
		{"OPTIONS", "0", 200, ""},
		{"TRACE", "0", 501, ""},
		{"OPTIONS", "1", 200, "0"},
		{"TRACE", "10", 200, "9"},
		{"OPTIONS", "many", 200, "many"},
		{"GET", "0", 200, "0"},
	} {
		a := ask(t, tt.method, url, "Max-Forwards", tt.sent)
		if left := a.header.Get("X-Left"); a.status != tt.status || left != tt.left {
			t.Errorf("%s %s: got %d with %q left, want %d with %q", tt.method, tt.sent, a.status, left, tt.status, tt.left)
		}
		if here := tt.status == 501 || tt.left == ""; here && len(a.header["Cache-Status"]) > 0 {
			t.Errorf("%s %s: Cache-Status %q", tt.method, tt.sent, a.header["Cache-Status"])
		}
	}
}

// RFC 9110 §15.2: clients of HTTP/1.0 get no interim responses. Nor do they change the final one, whoever gets it.
func TestInterimResponses(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(http.StatusEarlyHints)
		h := w.Header()
		h["Content-Type"] = nil
		h.Set("Cache-Status", "other; hit")
		_, _ = io.WriteString(w, "<html>")
	})
	url, _ := start(t, "-origin", origin.URL)
	for _, protocol := range []string{"HTTP/1.0", "HTTP/1.1"} {
		for _, request := range []string{"GET /a " + protocol, "POST /a " + protocol, "HEAD /a " + protocol, "GET /a " + protocol + "\nIf-Match: *"} {
			a := onWire(t, url, "127.0.0.1", request)
			interim, final, _ := strings.Cut(a, protocol+" 200 OK\n")
			if got, want := strings.Contains(interim, " 103 "), protocol == "HTTP/1.1"; got != want {
				t.Errorf("%q: an interim response %t, want %t:\n%s", request, got, want, a)
			}
			if strings.Contains(final, "Content-Type") || !strings.Contains(final, "Cache-Status: other; hit\nCache-Status: larder; fwd=") {
				t.Errorf("%q: got\n%s", request, a)
			}
		}
	}
}
