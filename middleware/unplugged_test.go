package middleware

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// unplugged is a client's writer that fails after so many writes or flushes.
type unplugged struct {
	*httptest.ResponseRecorder
	writes, flushes int
}

func (u *unplugged) Write(p []byte) (int, error) {
	if u.writes--; u.writes < 0 {
		return 0, errTest
	}
	return u.ResponseRecorder.Write(p)
}

func (u *unplugged) FlushError() error {
	if u.flushes--; u.flushes < 0 {
		return errTest
	}
	return nil
}

// TestStreamToNobodyIsNotStored: a handler that stops since its client is gone has not written the whole.
func TestStreamToNobodyIsNotStored(t *testing.T) {
	for _, client := range []*unplugged{{writes: 2, flushes: 9}, {writes: 9, flushes: 2}, {writes: 0, flushes: 9}} {
		client.ResponseRecorder = httptest.NewRecorder()
		o := &origin{answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			for range 4 {
				if _, err := io.WriteString(w, "line "); err != nil {
					return
				}
				if err := http.NewResponseController(w).Flush(); err != nil {
					return
				}
			}
		}}
		h := newTestCache(t, Options{}).FromHeaders()(o)
		h.ServeHTTP(client, request(t.Context(), "/"))
		expect(t, get(t, h, "/"), http.StatusOK, "line line line line ", "X-Cache", "Miss")
		expect(t, get(t, h, "/"), http.StatusOK, "line line line line ", "X-Cache", "Hit")
		o.ran(t, 2)
	}
}
