package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
)

// start runs the program as main does and returns its address and what ends it.
func start(t *testing.T, args ...string) (url string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"-listen", "127.0.0.1:0"}, args...), in)
		_ = in.CloseWithError(errors.Join(io.EOF, err)) // never fails
		ended <- err
	}()
	buffer := make([]byte, len(welcome)+1000)
	n, err := out.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run ended with: %v", err)
		}
	}
	t.Cleanup(stop)
	return regexp.MustCompile(`http://[0-9.:]+`).FindString(string(buffer[:n])), stop
}

// do sends one request over the wire and returns X-Cache and the body.
func do(t *testing.T, method, url, body string) (xCache, got string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "baseball.example" // by the same name whichever process answers
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // It has been read.
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: status %d, %v", method, url, response.StatusCode, err)
	}
	return response.Header.Get("X-Cache"), string(text)
}

func TestRunServesAndLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	url, stop := start(t)
	for _, want := range []string{"Miss", "Hit"} {
		if got, _ := do(t, http.MethodGet, url+"/users/2", ""); got != want {
			t.Errorf("X-Cache: got %q, want %q", got, want)
		}
	}
	stop()
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDatabaseOutlivesTheProcess(t *testing.T) {
	db := filepath.Join(t.TempDir(), "users.db")
	url, stop := start(t, "-db", db)
	do(t, http.MethodPut, url+"/users/2", `{"name":"Sol Birch","team":"Granite Rams"}`)
	stop()
	url, _ = start(t, "-db", db)
	if _, got := do(t, http.MethodGet, url+"/users/2", ""); !strings.Contains(got, "Granite Rams") {
		t.Errorf("got %s, want what was put", got)
	}
}

func TestRedisSharesAnswers(t *testing.T) {
	server := redistest.Start(t)
	one, _ := start(t, "-redis", "redis://"+server.Addr())
	two, _ := start(t, "-redis", "redis://"+server.Addr())
	// Answers are stored behind the response, and a process has to find the invalidations first.
	for i := range 200 {
		target := fmt.Sprintf("/dynamic_data?try=%d", i)
		_, first := do(t, http.MethodGet, one+target, "")
		time.Sleep(20 * time.Millisecond)
		xCache, second := do(t, http.MethodGet, two+target, "")
		if xCache == "Hit" && first == second {
			return
		}
	}
	t.Error("the second process never answered with what the first had stored")
}

func TestRunRefuses(t *testing.T) {
	for name, args := range map[string][]string{
		"flag":     {"-nothing"},
		"argument": {"redis://127.0.0.1"},
		"redis":    {"-redis", "http://127.0.0.1"},
		"address":  {"-listen", "nowhere"},
		"database": {"-db", t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(t.Context(), args, io.Discard); err == nil {
				t.Error("got no error")
			}
		})
	}
}
