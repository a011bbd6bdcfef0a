package script

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// origin is the handler behind the cache; it answers each request with the next block of the exchange.
type origin struct {
	path string

	mu       sync.Mutex // A cache may ask in the background.
	line     int        // of the exchange's request
	left     []*block
	failures []string
}

func (o *origin) expect(s step) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.line, o.left = s.request.line, s.origins
}

// next takes the block that answers r; ok is false if there is none.
func (o *origin) next(r *http.Request) (b *block, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.left) == 0 {
		o.failures = append(o.failures, fmt.Sprintf("%s:%d: the origin was asked (%s %s) and has no answer", o.path, o.line, r.Method, r.URL))
		return nil, false
	}
	b, o.left = o.left[0], o.left[1:]
	o.failures = append(o.failures, compare(o.path, b.seen, withPseudo(r))...)
	return b, true
}

// withPseudo is the request's fields with the pseudo-fields of RFC 9113 §8.3.1.
func withPseudo(r *http.Request) http.Header {
	h := r.Header.Clone()
	h[":method"], h[":path"], h[":authority"] = []string{r.Method}, []string{r.URL.RequestURI()}, []string{r.Host}
	return h
}

func (o *origin) done() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.left) == 0
}

// finish returns what went wrong at the origin in this exchange.
func (o *origin) finish() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, b := range o.left {
		o.failures = append(o.failures, fmt.Sprintf("%s:%d: the origin was not asked", o.path, b.line))
	}
	return o.failures
}

// ServeHTTP implements http.Handler.
func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, ok := o.next(r)
	if !ok {
		http.Error(w, "the script has no origin for this request", http.StatusTeapot)
		return
	}
	time.Sleep(b.delay)
	fields := http.Header{}
	for _, f := range b.fields {
		if !f.absent {
			fields.Add(f.name, f.value)
		}
	}
	if !b.names("Date") {
		fields.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	for name, values := range fields {
		w.Header()[name] = values
	}
	w.WriteHeader(b.status)
	_, _ = w.Write([]byte(b.body)) // The cache may refuse a body, as after a 304.
}
