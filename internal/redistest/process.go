package redistest

import (
	"net"
	"os/exec"
	"runtime"
	"sync"
	"testing"
)

// binary finds a program of the Redis distribution. Without it the test fails: a skipped test proves nothing.
func binary(tb testing.TB, name string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		tb.Fatalf("redistest: no %s in PATH: run `make tools` or `apt-get install redis-server`", name)
	}
	return path
}

var (
	taken   = map[int]bool{} // ports handed out by this process, so that two servers starting at once differ
	takenMu sync.Mutex
)

// freePort returns a port below 55536 that nobody listens on, as a cluster node needs port+10000 as well.
func freePort(tb testing.TB) int {
	tb.Helper()
	takenMu.Lock()
	defer takenMu.Unlock()
	for range 1000 {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns at once
		if err != nil {
			tb.Fatalf("redistest: free port: %v", err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		_ = l.Close() // nothing was accepted
		if port < 55536 && !taken[port] {
			taken[port] = true
			return port
		}
	}
	tb.Fatal("redistest: no free port")
	return 0
}

// startLocked starts cmd from a goroutine that keeps its thread until the process has ended: the kernel ties the
// parent-death signal to the thread that forked, not to the process. The channel is closed when it has ended.
func startLocked(cmd *exec.Cmd) (<-chan struct{}, error) {
	started, exited := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it is killed: there is no status to learn from
		}
	}()
	return exited, <-started
}
