package middleware

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestSparedResponses: a client that has what is not stored gets a 304, however its handler goes on writing, and the handler notices
// nothing.
func TestSparedResponses(t *testing.T) {
	for name, write := range map[string]func(http.ResponseWriter, *http.Request) error{
		"Write": func(w http.ResponseWriter, _ *http.Request) error {
			_, err := io.WriteString(w, "hello")
			return err
		},
		"ReadFrom": func(w http.ResponseWriter, _ *http.Request) error {
			_, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("hello"))
			return err
		},
		"Flush": func(w http.ResponseWriter, _ *http.Request) error {
			_, _ = io.WriteString(w, "hello") // the next would fail as well
			err := http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "hello")
			return err
		},
		"too large": func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Cache-Control", "max-age=60")
			_, err := io.WriteString(w, strings.Repeat("hello", 10))
			return err
		},
		"Skip": func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Cache-Control", "max-age=60")
			_, err := io.WriteString(w, "hello")
			Entry(r).Skip("test")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestCache(t, Options{MaxBodyBytes: 10})
			s := serve(t, c.For(time.Minute)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "private")
				w.Header().Set("ETag", `"v1"`)
				if err := write(w, r); err != nil {
					t.Error(err)
				}
			})))
			conn := dial(t, s)
			for _, page := range []string{"/a", "/b"} { // the connection is as good as before
				res, body, err := conn.get(page, `If-None-Match: "v1"`).read()
				if err != nil || res.StatusCode != http.StatusNotModified || body != "" || res.Header.Get("ETag") != `"v1"` {
					t.Errorf("%d %q, %v", res.StatusCode, body, err)
				}
			}
		})
	}
}
