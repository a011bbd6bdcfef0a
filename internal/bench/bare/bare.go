// Package bare holds what the cache is measured against: a ResponseWriter that costs next to nothing, and handlers that write by
// hand what a hit writes.
package bare

import "net/http"

// Sink is a ResponseWriter whose header map is used again, so that what a benchmark measures is the handler.
type Sink struct {
	Fields  http.Header
	Status  int
	Written int // bytes
}

// NewSink returns a Sink for one goroutine.
func NewSink() *Sink { return &Sink{Fields: make(http.Header)} }

// Header returns the map of the current response.
func (s *Sink) Header() http.Header { return s.Fields }

// WriteHeader notes the status.
func (s *Sink) WriteHeader(status int) { s.Status = status }

// Write counts.
func (s *Sink) Write(p []byte) (int, error) {
	s.Written += len(p)
	return len(p), nil
}

// Do has h answer r as if s were new.
func (s *Sink) Do(h http.Handler, r *http.Request) {
	clear(s.Fields)
	s.Status, s.Written = 0, 0
	h.ServeHTTP(s, r)
}

// Echo returns a handler that writes the status, the fields and as many bytes as h answers r with.
func Echo(h http.Handler, r *http.Request) http.Handler {
	type field struct {
		name   string
		values []string
	}
	w := NewSink()
	w.Do(h, r)
	body, status := make([]byte, w.Written), w.Status
	var fields []field
	for name, values := range w.Fields {
		fields = append(fields, field{name, values})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		header := w.Header()
		for _, f := range fields {
			header[f.name] = f.values
		}
		w.WriteHeader(status)
		_, _ = w.Write(body) // a client that has gone is no error of a benchmark
	})
}
