package middleware

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
)

// breaking is a client that breaks off while its bytes are on their way, as one of HTTP/2 may: they are read after Write has failed.
type breaking struct {
	http.ResponseWriter
	left *[][]byte
}

func (b breaking) Write(p []byte) (int, error) {
	*b.left = append(*b.left, p)
	return 0, errors.New("gone")
}

// slowReader is a client that takes its time to read.
type slowReader struct{ *httptest.ResponseRecorder }

func (s slowReader) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		k := min(len(p), 10<<10)
		_, _ = s.ResponseRecorder.Write(p[:k]) // never fails
		n, p = n+k, p[k:]
		runtime.Gosched()
	}
	return n, nil
}

// TestValuesAreNotMixed: without a memory tier, what comes from Redis is in memory that is used again. No client ever gets a byte of
// what another asked for, also where a client breaks off, where others share the value, or where a refresh goes on with it.
func TestValuesAreNotMixed(t *testing.T) {
	t.Parallel()
	const keys, clients, rounds = 20, 8, 15
	bodyOf := func(n int) []byte { return bytes.Repeat([]byte{byte('A' + n)}, 1+n*n*200) }
	h := newTestCache(t, Options{Redis: redistest.Start(t).Client(), MemoryBytes: -1, StoreTimeout: 10 * time.Second}).
		For(50*time.Millisecond, Stale(time.Hour))(&origin{answer: func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Path[1:])
		w.Header().Set("X-Page", r.URL.Path)
		_, _ = w.Write(bodyOf(n)) // a recorder takes everything
	}})
	var mu sync.Mutex
	left := map[int][][]byte{}
	for range rounds {
		crowd(keys*clients, func(i int) {
			n, kind := i%keys, i/keys
			path, want := "/"+strconv.Itoa(n), bodyOf(n)
			w := httptest.NewRecorder()
			switch kind {
			case 0:
				var kept [][]byte
				h.ServeHTTP(breaking{w, &kept}, request(t.Context(), path))
				mu.Lock()
				left[n] = append(left[n], kept...)
				mu.Unlock()
				return
			case 1:
				h.ServeHTTP(slowReader{w}, request(t.Context(), path, "Range", "bytes=0-99"))
				if w.Code == http.StatusPartialContent { // else it ran by itself, and this handler knows no ranges
					want = want[:min(100, len(want))]
				}
			default:
				h.ServeHTTP(slowReader{w}, request(t.Context(), path))
			}
			if !bytes.Equal(w.Body.Bytes(), want) || w.Header().Get("X-Page") != path {
				t.Errorf("%s: %d bytes of %s, or wrong ones", path, w.Body.Len(), w.Header().Get("X-Page"))
			}
		}).Wait()
	}
	for n, bodies := range left {
		for _, b := range bodies {
			if !bytes.Equal(b, bodyOf(n)) {
				t.Fatalf("/%d: what a client still read was written over", n)
			}
		}
	}
}
