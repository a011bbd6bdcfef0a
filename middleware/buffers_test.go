package middleware

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// streamed notes how large the pieces are that it is written in.
type streamed struct {
	*httptest.ResponseRecorder
	writes []int
}

func (s *streamed) Write(p []byte) (int, error) {
	s.writes = append(s.writes, len(p))
	return s.ResponseRecorder.Write(p)
}

// TestBodiesAreNotMixed: no client ever gets a byte of what another asked for: not who began a run, nor who waited for it, nor who
// hits, whatever became of it.
func TestBodiesAreNotMixed(t *testing.T) {
	const keys, clients, rounds = 40, 5, 20
	o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Path[1:])
		piece := bytes.Repeat([]byte{byte(n)}, 1+n*n) // up to 20 KiB
		time.Sleep(time.Millisecond)
		if n%5 == 0 {
			w.Header().Set("Set-Cookie", "a=b")
		}
		if n%7 == 0 {
			w.Header().Set("Content-Length", strconv.Itoa(13*len(piece)))
		}
		for i := range 13 {
			_, _ = w.Write(piece)
			if n%11 == 0 && i == 5 {
				_ = http.NewResponseController(w).Flush()
			}
		}
		if n%9 == 0 {
			panic(http.ErrAbortHandler)
		}
	}}
	synctest.Test(t, func(t *testing.T) {
		h := newTestCache(t, Options{}).For(2*time.Second, Stale(time.Second))(o)
		for range rounds {
			crowd(keys*clients, func(i int) {
				n := 1 + i%keys
				w := httptest.NewRecorder()
				if panics(func() { h.ServeHTTP(w, request(t.Context(), "/"+strconv.Itoa(n))) }) != nil {
					return
				}
				if body := w.Body.Bytes(); !bytes.Equal(body, bytes.Repeat([]byte{byte(n)}, 13*(1+n*n))) {
					t.Errorf("%d: %d bytes, or wrong ones", n, len(body))
				}
			}).Wait()
			time.Sleep(time.Second)
		}
	})
}

// TestCopyOfALargeBody: io.Copy of more than its buffer keeps every byte.
func TestCopyOfALargeBody(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 8<<10)
	o := &origin{answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, bytes.NewReader(body)) }}
	h := newTestCache(t, Options{}).For(time.Minute)(o)
	for _, want := range []string{"Miss", "Hit"} {
		expect(t, get(t, h, "/"), http.StatusOK, string(body), "X-Cache", want)
	}
}

// TestWaitersOfARunWithoutRoom: that other runs hold back as much as they may says nothing of the response, so that one of those who
// wait takes over, and not all at once.
func TestWaitersOfARunWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := make([]byte, 100<<10)
		o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/held" {
				_, _ = w.Write(body)
				time.Sleep(slow + slow/2)
				return
			}
			time.Sleep(slow)
			_, _ = w.Write(body)
		}}
		h := newTestCache(t, Options{MemoryBytes: 1 << 20, MaxBodyBytes: 128 << 10}).For(time.Minute)(o)
		held := crowd(1, func(int) { get(t, h, "/held") })
		synctest.Wait()
		began := time.Now()
		crowd(100, func(int) { expect(t, get(t, h, "/"), http.StatusOK, string(body)) }).Wait()
		if took := time.Since(began); took != 2*slow {
			t.Errorf("took %v", took)
		}
		held.Wait()
		o.ran(t, 3)
		expect(t, get(t, h, "/"), http.StatusOK, string(body), "X-Cache", "Hit")
	})
}

// TestRefreshWithoutRoom: a refresh that other runs leave no room keeps what is stored, and is tried again.
func TestRefreshWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := make([]byte, 100<<10)
		o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(body)
			if r.URL.Path == "/held" {
				time.Sleep(slow)
			}
		}}
		c := newTestCache(t, Options{MemoryBytes: 1 << 20, MaxBodyBytes: 128 << 10})
		h := c.For(time.Second, Stale(time.Minute))(o)
		get(t, h, "/")
		time.Sleep(2 * time.Second)
		held := crowd(1, func(int) { get(t, h, "/held") })
		synctest.Wait()
		for range 2 {
			expect(t, get(t, h, "/"), http.StatusOK, string(body), "X-Cache", "Hit", "Cache-Status", "larder; hit; ttl=-1")
			synctest.Wait()
		}
		o.ran(t, 3)
		held.Wait()
		time.Sleep(refreshBackoff)
		get(t, h, "/")
		synctest.Wait()
		expect(t, get(t, h, "/"), http.StatusOK, string(body), "Cache-Status", "larder; hit; ttl=1")
	})
}

// TestAnnouncedBodyIsNotBelieved: where bodies of any size may be stored, a Content-Length alone takes no memory.
func TestAnnouncedBodyIsNotBelieved(t *testing.T) {
	o := &origin{answer: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.FormatInt(math.MaxInt64, 10))
		_, _ = io.WriteString(w, "hello")
	}}
	h := newTestCache(t, Options{MaxBodyBytes: math.MaxInt64}).For(time.Minute)(o)
	expect(t, get(t, h, "/"), http.StatusOK, "hello", "Cache-Status", "larder; fwd=uri-miss; detail=incomplete")
}
