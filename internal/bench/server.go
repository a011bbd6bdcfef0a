package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"
)

// server is a child process that answers requests in one way, so that its CPU time is that way's alone.
type server struct {
	addr  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

// startServer starts this program again, as a server of a kind. It ends when its standard input does, with us.
func startServer(ctx context.Context, kind, redisAddr string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: exec.CommandContext(ctx, self, "serve", kind, redisAddr)} //nolint:gosec // ourselves
	s.cmd.Stderr = os.Stderr
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.lines = bufio.NewScanner(out)
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.addr, err = s.line()
	return s, err
}

// line is the next one that the server writes.
func (s *server) line() (string, error) {
	if !s.lines.Scan() {
		return "", fmt.Errorf("server ended: %w", s.cmd.Wait())
	}
	return s.lines.Text(), nil
}

// ask sends a command and reads its answer.
func (s *server) ask(command string) (string, error) {
	if _, err := fmt.Fprintln(s.in, command); err != nil {
		return "", err
	}
	return s.line()
}

// cpu is the CPU time that the server has used so far.
func (s *server) cpu() (time.Duration, error) {
	text, err := s.ask("cpu")
	if err != nil {
		return 0, err
	}
	return time.ParseDuration(text)
}

func (s *server) stop() {
	_ = s.in.Close() // which ends it
	_ = s.cmd.Wait() // however it ended
}

// serve is the child's side: it writes its address, then answers the commands on its standard input.
func serve(kind, redisAddr string) error {
	h, done, err := handler(kind, redisAddr)
	if err != nil {
		return err
	}
	defer done()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		_ = (&http.Server{Handler: h, ReadHeaderTimeout: time.Minute}).Serve(l) // until the process ends
	}()
	fmt.Println(l.Addr())
	for commands := bufio.NewScanner(os.Stdin); commands.Scan(); {
		answer, err := obey(commands.Text())
		if err != nil {
			return err
		}
		fmt.Println(answer)
	}
	return nil
}

// obey does what a command says: cpu, profile FILE, or stop.
func obey(command string) (string, error) {
	verb, file, _ := strings.Cut(command, " ")
	switch verb {
	case "cpu":
		used, err := ownCPU()
		return used.String(), err
	case "profile":
		f, err := os.Create(file) //nolint:gosec // named by whoever runs the benchmark
		if err != nil {
			return "", err
		}
		return "profiling", pprof.StartCPUProfile(f)
	default:
		pprof.StopCPUProfile()
		return "stopped", nil
	}
}

// ownCPU is the CPU time that this process has used so far.
func ownCPU() (time.Duration, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}
