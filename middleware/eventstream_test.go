package middleware_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	larder "github.com/larderhq/larder/middleware"
)

// TestQuietEventStream: the first event comes after FillTimeout, and the client, as browsers do, takes anything but a 200 for the end.
func TestQuietEventStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openCache(t, larder.Options{FillTimeout: time.Second})
		events := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(time.Minute):
				write(w, "data: first\n\n")
			case <-r.Context().Done():
			}
		})
		for name, h := range map[string]http.Handler{"For": c.OneHour()(events), "FromHeaders": c.FromHeaders()(events)} {
			for _, fields := range [][]string{{"Accept: text/event-stream"}, {"Accept: text/event-stream", "Cache-Control: no-cache"}} {
				if got := ask(t, h, "/", fields...); got.status != http.StatusOK || got.body != "data: first\n\n" {
					t.Errorf("%s, %q: %d %q, %s", name, fields, got.status, got.body, got.all("Cache-Status"))
				}
			}
		}
	})
}
