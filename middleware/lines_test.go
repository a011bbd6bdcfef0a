package middleware

import (
	"testing"
	"unsafe"
)

// TestCacheLines: what cores write for every hit lies in cache lines of its own.
func TestCacheLines(t *testing.T) {
	const line = 64
	if n := unsafe.Sizeof(exchange{}); n%line != 0 {
		t.Errorf("an exchange takes %d bytes", n)
	}
	if n := unsafe.Sizeof(tally{}[0]); n%line != 0 {
		t.Errorf("a share takes %d bytes", n)
	}
}
