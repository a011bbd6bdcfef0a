// Package script plays test scripts: exchanges of a client with a handler that stands before an origin, written so that
// a scenario reads like an example in an RFC.
//
//	# RFC 9111 §4.2.1: max-age gives the freshness lifetime.
//	with ttl=60s query=page
//
//	GET /doc
//	    Accept: text/html
//	origin 200
//	    > Accept: text/html
//	    > !If-None-Match
//	    ETag: "v1"
//
//	    hello
//	expect 200
//	    X-Cache: Miss
//	    Expires: ~ .* GMT
//	    !Age
//
//	    hello
//
//	wait 59s
//
//	GET /doc
//	expect 200
//	    X-Cache: Hit
//
// The verbs stand at the margin, what belongs to them is indented, a comment begins with # at the margin:
//
//   - with: options for the Builder, name=value.
//   - METHOD target: a request, its fields, and after a blank line its body. A Host field sets the host.
//   - origin STATUS [after DURATION]: what the origin answers. It sends Date by the clock unless the script gives one or
//     says !Date. Fields marked > are what it must see, the pseudo-fields :method, :path and :authority among them.
//     Each of several origins answers once; without one (or with origin none) the origin must not be asked.
//   - expect STATUS: what the client must get. Fields are exact, in all their lines; after ~ comes a pattern for the whole
//     value, lines joined by ", "; ! means absent. The body counts if given, but for a last newline; (empty) is no body, which a 204
//     and a 304 must have.
//   - wait DURATION: the clock goes on.
//
// Exchanges follow one another: concurrency is for Go tests.
package script

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Builder makes the handler that a script talks to: usually a cache in front of origin. Options are those of the script;
// a Builder fails on one that it does not know. What it opens it closes with t.Cleanup.
type Builder func(t testing.TB, origin http.Handler, options map[string]string) http.Handler

// RunAll plays every script that glob matches, each as a subtest named after its file. Matching none is a failure.
func RunAll(t *testing.T, glob string, build Builder) {
	t.Helper()
	for _, path := range match(t, glob) {
		t.Run(name(path), func(t *testing.T) { Run(t, path, build) })
	}
}

// Run plays one script in a bubble of testing/synctest, so that waiting takes no time. The clock starts at
// Sat, 01 Jan 2000 00:00:00 GMT.
func Run(t *testing.T, path string, build Builder) {
	t.Helper()
	s := load(t, path)
	synctest.Test(t, func(t *testing.T) {
		report(t, s.play(t, build, func(func() bool) { synctest.Wait() }))
	})
}

// RunReal plays, on the wall clock, those scripts that glob matches and whose waits add up to no more than limit:
// for servers outside the process, which no bubble can hold. Matching none is a failure.
func RunReal(t *testing.T, glob string, limit time.Duration, build Builder) {
	t.Helper()
	played := 0
	for _, path := range match(t, glob) {
		s := load(t, path)
		if s.waits() > limit {
			continue
		}
		played++
		t.Run(name(path), func(t *testing.T) { report(t, s.play(t, build, poll)) })
	}
	if played == 0 {
		t.Errorf("script: none that %s matches waits for %v or less", glob, limit)
	}
}

// poll gives background work some time to get done; a caller finds out by itself if it was not enough.
func poll(done func() bool) {
	for range 1000 {
		if done() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func match(t testing.TB, glob string) []string {
	t.Helper()
	paths, err := filepath.Glob(glob)
	if err != nil || len(paths) == 0 {
		t.Fatalf("script: no file matches %s (%v)", glob, err)
	}
	return paths
}

func name(path string) string { return strings.TrimSuffix(filepath.Base(path), ".txt") }

func load(t testing.TB, path string) *script {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("script: %v", err)
	}
	s, err := parse(path, string(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func report(t testing.TB, failures []string) {
	t.Helper()
	for _, failure := range failures {
		t.Error(failure)
	}
}

// waits is how long the script takes on the wall clock.
func (s *script) waits() (sum time.Duration) {
	for _, step := range s.steps {
		sum += step.wait
		for _, origin := range step.origins {
			sum += origin.delay
		}
	}
	return sum
}
