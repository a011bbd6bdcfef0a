package middleware

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// TestCallsFailTogether: what a stampede waits for in vain is one failure of the store, however many wait for it. Three such, one
// after the other, open the breaker.
func TestCallsFailTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fragile)
		h := newTestCache(t, Options{Store: f, MemoryBytes: -1}).For(time.Hour)(&origin{answer: says("hello")})
		get(t, h, "/kept")
		synctest.Wait()
		page := 0
		stampede := func() {
			f.set(func() { f.takes = time.Second })
			crowd(100, func(i int) { expect(t, get(t, h, "/"+strconv.Itoa(page+i)), http.StatusOK, "hello") }).Wait()
			page += 100
			f.set(func() { f.takes = 0 })
		}
		for range breakerFailures - 1 {
			stampede()
		}
		expect(t, get(t, h, "/kept"), http.StatusOK, "hello", "X-Cache", "Hit")
		for range breakerFailures {
			stampede()
		}
		expect(t, get(t, h, "/kept"), http.StatusOK, "hello", "X-Cache", "Miss")
		time.Sleep(time.Minute)
	})
}
