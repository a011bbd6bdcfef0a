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
		tb.Fatalf("redistest: no %s in PATH: run `make needs` or `apt-get install redis-server`", name)
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

// Spawn starts cmd so that it ends when the test process dies, however it dies. The channel is closed when it has ended;
// cmd.ProcessState is there from then on. It starts from a goroutine that keeps its thread as long: the kernel ties the
// parent-death signal to the thread that forked, not to the process.
func Spawn(cmd *exec.Cmd) (ended <-chan struct{}, err error) {
	cmd.SysProcAttr = endWithParent()
	started, exited := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in cmd.ProcessState
		}
	}()
	return exited, <-started
}
