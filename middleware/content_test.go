package middleware_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"
	"testing/synctest"

	larder "github.com/larderhq/larder/middleware"
)

// http3 is a request as quic-go's server makes it of one without a Content-Length.
func http3(t *testing.T, body io.Reader, fields ...string) *http.Request {
	t.Helper()
	r := asked(t, "/", fields...)
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/3.0", 3, 0
	r.ContentLength, r.Body = -1, io.NopCloser(body)
	return r
}

func answer(h http.Handler, r *http.Request) answered {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answered{w.Code, w.Result().Header, w.Body.String()}
}

// TestHTTP3 has a GET of which only its end says that it has no content.
func TestHTTP3(t *testing.T) {
	h := openCache(t, larder.Options{}).OneHour()(&counted{answer: func(w http.ResponseWriter, r *http.Request) {
		content, err := io.ReadAll(r.Body)
		write(w, string(content))
		if err != nil {
			write(w, " "+err.Error())
		}
	}})
	for i := range 2 {
		if got := answer(h, http3(t, http.NoBody)); got.hit() != (i > 0) || got.body != "" {
			t.Errorf("request %d: %q, %s", i, got.body, got.all("Cache-Status"))
		}
	}
	for want, body := range map[string]io.Reader{
		"content": iotest.OneByteReader(bytes.NewBufferString("content")),
		"whole":   iotest.DataErrReader(bytes.NewBufferString("whole")),
		" reset":  iotest.ErrReader(io.ErrClosedPipe),
	} {
		got := answer(h, http3(t, body))
		expectFields(t, got, "Cache-Status: larder; fwd=bypass; detail=body")
		if want == " reset" {
			want = " " + io.ErrClosedPipe.Error()
		}
		if got.body != want {
			t.Errorf("the handler saw %q, want %q", got.body, want)
		}
	}
}

// TestHTTP3Undecided has a client that keeps its stream open: the handler answers without waiting for it, and may read what comes.
func TestHTTP3Undecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		content, client := io.Pipe()
		h := openCache(t, larder.Options{}).OneHour()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			go func() {
				_, _ = client.Write([]byte("late"))
				_ = client.Close()
			}()
			read, _ := io.ReadAll(r.Body)
			write(w, string(read))
		}))
		if got := answer(h, http3(t, content)); got.body != "late" {
			t.Errorf("the handler saw %q", got.body)
		}
	})
}
