package middleware

import (
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/larderhq/larder/internal/policy"
)

// texts remembers the values of a field that are made of a number, each as the list that a header map takes. Many responses share
// them: the present date is everyone's, and what was stored at one time for one time has the same lifetime left.
type texts struct {
	format func(n int64) string
	slots  [1024]atomic.Pointer[formatted]
}

type formatted struct {
	n    int64
	list [1]string
}

var (
	dates   = texts{format: httpDate}
	maxAges = texts{format: func(n int64) string { return "max-age=" + strconv.FormatInt(n, 10) }}
	numbers = texts{format: func(n int64) string { return strconv.FormatInt(n, 10) }}
	hits    = texts{format: func(n int64) string { return cacheStatus{ttl: n}.String() }}
)

// at returns the list for n, which nobody may change; its capacity is that of its length.
func (t *texts) at(n int64) []string {
	slot := &t.slots[uint64(n)%uint64(len(t.slots))]
	x := slot.Load()
	if x == nil || x.n != n {
		x = &formatted{n, [1]string{t.format(n)}}
		slot.Store(x)
	}
	return x.list[:]
}

// httpDate formats a Unix second as an IMF-fixdate (RFC 9110 §5.6.7).
func httpDate(second int64) string {
	return string(policy.AppendDate(make([]byte, 0, len(http.TimeFormat)), second))
}
