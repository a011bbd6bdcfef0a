package middleware_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
	larder "github.com/larderhq/larder/middleware"
)

// TestTranscript is the session that the documentation of Larder's ancestor shows, request by request.
func TestTranscript(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		bubble(t, func(t *testing.T) { transcript(t, openCache(t, larder.Options{}), 30) })
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		client := redistest.Start(t).Client()
		transcript(t, openCache(t, larder.Options{Redis: client, StoreTimeout: 10 * time.Second}), 4)
	})
	t.Run("redis without memory", func(t *testing.T) {
		t.Parallel()
		client := redistest.Start(t).Client()
		transcript(t, openCache(t, larder.Options{Redis: client, MemoryBytes: -1, StoreTimeout: 10 * time.Second}), 4)
	})
}

func transcript(t *testing.T, cache *larder.Cache, lifetime int) {
	handler := &counted{answer: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		write(w, `{"success":true}`)
	}}
	h := cache.For(time.Duration(lifetime) * time.Second)(handler)

	first := ask(t, h, "/dynamic_data")
	began := time.Now()
	tag := first.header.Get("Etag")
	expectFields(t, first, "X-Cache: Miss", fmt.Sprint("Cache-Control: max-age=", lifetime), `Etag: W/"04a1342e077f152f"`,
		"Content-Type: application/json", "Expires: "+after(t, first, lifetime))

	time.Sleep(time.Second)
	second := ask(t, h, "/dynamic_data")
	expectFields(t, second, "X-Cache: Hit", fmt.Sprint("Cache-Control: max-age=", lifetime-1), "Etag: "+tag,
		"Content-Type: application/json", "Expires: "+after(t, second, lifetime-1))
	if second.body != first.body || second.status != http.StatusOK {
		t.Errorf("got %v", second)
	}

	for _, match := range []string{tag, "*", `"other", W/"more" , ` + tag} {
		got := ask(t, h, "/dynamic_data", "If-None-Match: "+match)
		expectFields(t, got, "X-Cache: Hit", "Etag: "+tag, "Content-Type:", "Content-Length:")
		if got.status != http.StatusNotModified || got.body != "" {
			t.Errorf("If-None-Match %s: got %v", match, got)
		}
	}
	if got := ask(t, h, "/dynamic_data", `If-None-Match: W/"0123456789abcdef"`); got.status != http.StatusOK || got.body != first.body {
		t.Errorf("a foreign tag: got %v", got)
	}
	for _, directive := range []string{"no-cache", "no-store"} {
		got := ask(t, h, "/dynamic_data", "Cache-Control: "+directive)
		expectFields(t, got, "Cache-Control:", "Etag:", "Expires:", "X-Cache:")
		if got.status != http.StatusOK || got.body != first.body {
			t.Errorf("%s: got %v", directive, got)
		}
	}

	time.Sleep(time.Until(began.Add(time.Duration(lifetime) * time.Second)))
	expectFields(t, ask(t, h, "/dynamic_data"), "X-Cache: Miss", "Etag: "+tag, fmt.Sprint("Cache-Control: max-age=", lifetime))
	expectFields(t, ask(t, h, "/dynamic_data"), "X-Cache: Hit", "Etag: "+tag)
	if n := handler.runs.Load(); n != 4 {
		t.Errorf("%d runs, want 4", n)
	}
}

// after is the answer's Date and so many seconds.
func after(t *testing.T, a answered, seconds int) string {
	t.Helper()
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		t.Fatal(err)
	}
	return date.Add(time.Duration(seconds) * time.Second).Format(http.TimeFormat)
}
