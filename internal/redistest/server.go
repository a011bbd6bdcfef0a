// Package redistest starts real Redis servers for tests: one, a cluster, or a primary watched by sentinels. They listen on free
// ports of the loopback interface, keep their files in the test's own directory and end with the test, also when it is killed.
package redistest

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// startTimeout bounds how long a server may take to answer, so that a broken one fails the test with its log.
const startTimeout = 30 * time.Second

// Server is a redis-server process of a test's own. Its methods fail the test when Redis refuses.
type Server struct {
	tb      testing.TB
	dir     string
	port    int
	scheme  []string // command line that says what the process is; [redis-server] or [redis-server --sentinel]
	config  []string
	persist bool

	mu     sync.Mutex
	cmd    *exec.Cmd // nil while it is down
	admin  *redis.Client
	exited <-chan struct{}
}

// Option changes how Start starts a server.
type Option func(*Server)

// Config adds a line of redis.conf, such as Config("maxmemory", "10mb").
func Config(words ...string) Option {
	return func(s *Server) { s.config = append(s.config, configLine(words)) }
}

// Persist makes the server write every change to its append-only file, so that Restart finds the data again.
func Persist() Option {
	return func(s *Server) {
		s.persist = true
		s.config = append(s.config, "appendonly yes", "appendfsync always")
	}
}

// Start starts a redis-server without persistence on a free loopback port and returns when it answers.
// A machine without redis-server fails the test.
func Start(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	s := newServer(tb, opts...)
	s.launch()
	return s
}

func newServer(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	s := &Server{tb: tb, dir: tb.TempDir(), port: freePort(tb)}
	s.config = []string{
		"bind 127.0.0.1", "port " + strconv.Itoa(s.port), "dir " + quote(s.dir),
		`save ""`, "repl-diskless-sync-delay 0", "logfile " + quote(s.logPath()), "loglevel notice",
	}
	for _, o := range opts {
		o(s)
	}
	s.admin = redis.NewClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1})
	tb.Cleanup(func() {
		s.Kill()
		_ = s.admin.Close() // its server is gone: there is nothing left to report
	})
	return s
}

// launch starts the process and waits until it answers.
func (s *Server) launch() {
	s.tb.Helper()
	path := s.writeConfig()
	args := append([]string{path}, s.scheme...)
	//nolint:gosec // the arguments are ours
	cmd := exec.CommandContext(context.Background(), binary(s.tb, "redis-server"), args...)
	exited, err := Spawn(cmd)
	if err != nil {
		s.tb.Fatalf("redistest: start redis-server: %v", err)
	}
	s.mu.Lock()
	s.cmd, s.exited = cmd, exited
	s.mu.Unlock()
	s.await("PING", func(ctx context.Context) error { return s.admin.Ping(ctx).Err() })
}

func (s *Server) writeConfig() string {
	path := filepath.Join(s.dir, "redis.conf")
	if _, err := os.Stat(path); err == nil && s.scheme != nil {
		return path // a sentinel rewrites its own configuration; a restart goes on from there
	}
	if err := os.WriteFile(path, []byte(strings.Join(s.config, "\n")+"\n"), 0o600); err != nil {
		s.tb.Fatalf("redistest: %v", err)
	}
	return path
}

// await polls until f succeeds; only a server that never gets there fails, with the end of its log.
func (s *Server) await(what string, f func(context.Context) error) {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		err := f(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			s.tb.Fatalf("redistest: %s on %s: %v\n%s", what, s.Addr(), err, s.log())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Addr is the server's host:port. It stays the same over Restart.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Port is the server's port.
func (s *Server) Port() int { return s.port }

// Client returns a new client with go-redis's defaults, closed when the test ends.
func (s *Server) Client() *redis.Client {
	return s.ClientWith(redis.Options{})
}

// ClientWith returns a new client with the given options and the server's address, closed when the test ends.
func (s *Server) ClientWith(o redis.Options) *redis.Client {
	o.Addr = s.Addr()
	return closed(s.tb, redis.NewClient(&o))
}

func closed[C io.Closer](tb testing.TB, c C) C {
	tb.Cleanup(func() {
		_ = c.Close() // a test may have closed it itself
	})
	return c
}

// Kill ends the server at once, as a crash would, and returns when it is gone. Killing a dead server does nothing.
func (s *Server) Kill() {
	s.mu.Lock()
	cmd, exited := s.cmd, s.exited
	s.cmd = nil
	s.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill() // it may have ended by itself
	<-exited
}

// Restart kills the server if it runs and starts it on the same port. Its data is gone unless it was started with Persist.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Kill()
	s.launch()
}

// Pause stops the process: connections stay open and nothing answers, until Resume.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		s.tb.Fatalf("redistest: signal %v to a server that is down", sig)
	}
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.tb.Fatalf("redistest: signal %v: %v", sig, err)
	}
}

// Config sets a configuration parameter of the running server, such as Config("maxmemory", "10mb").
func (s *Server) Config(name, value string) {
	s.tb.Helper()
	if err := s.admin.ConfigSet(context.Background(), name, value).Err(); err != nil {
		s.tb.Fatalf("redistest: CONFIG SET %s: %v", name, err)
	}
}

// Commands is how many commands of a name ("get") the server has served since it started, failed ones included.
func (s *Server) Commands(name string) int {
	s.tb.Helper()
	info, err := s.admin.Info(context.Background(), "commandstats").Result()
	if err != nil {
		s.tb.Fatalf("redistest: INFO commandstats: %v", err)
	}
	return infoCalls(info, strings.ToLower(name))
}

// infoCalls reads the line "cmdstat_get:calls=3,usec=…".
func infoCalls(info, name string) int {
	_, line, ok := strings.Cut(info, "cmdstat_"+name+":calls=")
	if !ok {
		return 0
	}
	digits, _, _ := strings.Cut(line, ",")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

func (s *Server) logPath() string { return filepath.Join(s.dir, "redis.log") }

func (s *Server) log() string {
	b, err := os.ReadFile(s.logPath())
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

func configLine(words []string) string {
	line := words[0]
	for _, w := range words[1:] {
		line += " " + quote(w)
	}
	return line
}

func quote(s string) string { return fmt.Sprintf("%q", s) }
