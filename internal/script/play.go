package script

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// play runs the steps until one fails, as those after it would only fail because of it. settle returns when nothing goes on
// in the background, or when done says so.
func (s *script) play(t testing.TB, build Builder, settle func(done func() bool)) []string {
	o := &origin{path: s.path}
	h := build(t, o, s.options)
	for _, step := range s.steps {
		time.Sleep(step.wait)
		if step.request == nil {
			continue
		}
		o.expect(step)
		rec := send(t, h, step.request)
		settle(o.done)
		if failures := append(o.finish(), step.expect.check(s.path, rec)...); len(failures) > 0 {
			return failures
		}
	}
	return nil
}

// send makes the request. Its context ends with it, as net/http's server has it.
func send(t testing.TB, h http.Handler, b *block) *httptest.ResponseRecorder {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, b.verb, b.args[0], strings.NewReader(b.body))
	for _, f := range b.fields {
		r.Header.Add(f.name, f.value)
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
		r.Header.Del("Host")
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// check compares the response with the expectation b.
func (b *block) check(path string, rec *httptest.ResponseRecorder) []string {
	result, body := rec.Result(), rec.Body.String()
	defer func() { _ = result.Body.Close() }() // It is in memory: nothing can fail.
	if b.body != "" {                          // A script's lines end where they end.
		body = strings.TrimSuffix(body, "\n")
	}
	var failures []string
	if result.StatusCode != b.status {
		failures = append(failures, fmt.Sprintf("%s:%d: got status %d, want %d", path, b.line, result.StatusCode, b.status))
	}
	failures = append(failures, compare(path, b.fields, result.Header)...)
	bodiless := b.status == http.StatusNoContent || b.status == http.StatusNotModified
	if (b.hasBody || bodiless) && body != b.body {
		failures = append(failures, fmt.Sprintf("%s:%d: got body %q, want %q", path, b.line, body, b.body))
	}
	return failures
}

// compare checks every field of the script against those of a message.
func compare(path string, fields []field, h http.Header) []string {
	var failures []string
	for _, f := range fields {
		got := h.Values(f.name)
		if want, ok := f.matches(got, fields); !ok {
			failures = append(failures, fmt.Sprintf("%s:%d: %s: got %q, want %s", path, f.line, f.name, got, want))
		}
	}
	return failures
}

// matches compares the lines got of a field with f; exact values with all that the script gives for the name, in order.
func (f field) matches(got []string, fields []field) (want string, ok bool) {
	switch {
	case f.absent:
		return "none", len(got) == 0
	case f.pattern != nil:
		return "a match of " + f.pattern.String(), len(got) > 0 && f.pattern.MatchString(strings.Join(got, ", "))
	}
	var values []string
	for _, other := range fields {
		if other.pattern == nil && strings.EqualFold(other.name, f.name) {
			values = append(values, other.value)
		}
	}
	return fmt.Sprintf("%q", values), slices.Equal(got, values)
}
