package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

// proxy forwards requests to one origin.
type proxy struct {
	reverse   httputil.ReverseProxy
	transport *http.Transport
}

func newProxy(origin *url.URL, idle time.Duration, logger *slog.Logger) *proxy {
	transport := &http.Transport{
		IdleConnTimeout:     idle,
		MaxIdleConnsPerHost: 128,
		ForceAttemptHTTP2:   true,
		// net/http would ask for gzip and decode it where the client asked for nothing: another representation than
		// the one that its entity tag names.
		DisableCompression: true,
	}
	return &proxy{
		transport: transport,
		reverse: httputil.ReverseProxy{
			Transport:    once{transport},
			Rewrite:      func(r *httputil.ProxyRequest) { rewrite(r, origin) },
			ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) { fail(w, r, err, logger) },
			ErrorLog:     slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		},
	}
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.reverse.ServeHTTP(newClient(w, r), r)
}

func (p *proxy) close() { p.transport.CloseIdleConnections() }

// rewrite points the request to the origin. Host stays what the client asked for, since the origin makes links of it and may have
// several hosts; where the request came from is said in X-Forwarded-For, -Host and -Proto. Via is what RFC 9110 §7.6.3 asks of a
// gateway.
func rewrite(r *httputil.ProxyRequest, origin *url.URL) {
	r.SetURL(origin)
	r.Out.Host = r.In.Host
	r.Out.URL.RawQuery = r.In.URL.RawQuery // ReverseProxy drops what does not parse, but the origin may know what it means
	for _, name := range forwarded {
		r.Out.Header[name] = r.In.Header[name] // ReverseProxy takes them for the client's own
	}
	r.Out.Header.Add("Via", viaProtocol(r.In)+" larder")
}

func viaProtocol(r *http.Request) string {
	switch {
	case r.ProtoMajor == 2:
		return "2"
	case r.ProtoMinor == 0:
		return "1.0"
	default:
		return "1.1"
	}
}

// fail answers for an origin that does not (RFC 9110 §15.6.3, §15.6.5); the cache takes both for errors that stale-if-error covers.
func fail(w http.ResponseWriter, r *http.Request, err error, logger *slog.Logger) {
	status := http.StatusBadGateway
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		status = http.StatusGatewayTimeout
	}
	if r.Context().Err() == nil {
		logger.Warn("origin failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	http.Error(w, http.StatusText(status), status)
}

// once forwards each request once. net/http's transport would send a safe request again when a connection that it used before is
// closed without an answer. The origin has seen it then and may have meant that; the error is the cache's to deal with.
type once struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper. A body that cannot be read again, empty as it is, is what keeps the transport from it.
func (o once) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		if r.Body == nil || r.Body == http.NoBody {
			r = r.Clone(r.Context())
			r.Body = struct{ io.ReadCloser }{http.NoBody}
		}
	}
	return o.RoundTripper.RoundTrip(r)
}
