package middleware_test

import (
	"net/http"
	"testing"

	larder "github.com/larderhq/larder/middleware"
)

// TestOfferOfH2C: a client that offers plain HTTP/2 in each of its requests is served like any other, and no fill is asked to take the
// offer up. Whatever else an upgrade may be is the handler's to answer.
func TestOfferOfH2C(t *testing.T) {
	offer := []string{"Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAEAAEAA"}
	origin := &counted{answer: func(w http.ResponseWriter, r *http.Request) { write(w, "upgrade: "+r.Header.Get("Upgrade")) }}
	c := openCache(t, larder.Options{})
	for name, h := range map[string]http.Handler{"For": c.OneHour()(origin), "FromHeaders": c.FromHeaders(larder.Negative(larder.OneHour, 200))(origin)} {
		t.Run(name, func(t *testing.T) {
			before := origin.runs.Load()
			for i := range 3 {
				if got := ask(t, h, "/"+name, append(offer, "Upgrade: h2c")...); got.body != "upgrade: " || got.hit() != (i > 0) {
					t.Errorf("request %d: got %q, %s", i, got.body, got.all("Cache-Status"))
				}
			}
			if runs := origin.runs.Load() - before; runs != 1 {
				t.Errorf("the handler ran %d times, want once", runs)
			}
			for _, other := range [][]string{{"Upgrade: websocket"}, {"Upgrade: h2c, websocket"}, {"Upgrade: h2c", "Upgrade: websocket"}} {
				got := ask(t, h, "/"+name, append(offer, other...)...)
				if got.body == "upgrade: " {
					t.Errorf("%q: the handler did not see it", other)
				}
				expectFields(t, got, "Cache-Status: larder; fwd=bypass; detail=upgrade")
			}
		})
	}
}
