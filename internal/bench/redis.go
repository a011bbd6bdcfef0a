package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer is a redis-server of our own, without persistence.
type redisServer struct {
	addr  string
	cmd   *exec.Cmd
	admin *redis.Client
}

func startRedis(ctx context.Context, dir string) (*redisServer, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	//nolint:gosec // the arguments are ours
	s := &redisServer{addr: addr, cmd: exec.CommandContext(ctx, "redis-server",
		"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", dir, "--loglevel", "warning")}
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.admin = redis.NewClient(&redis.Options{Addr: addr})
	for range 500 {
		if err = s.admin.Ping(ctx).Err(); err == nil {
			return s, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.stop()
	return nil, fmt.Errorf("redis-server does not answer: %w", err)
}

func freeAddr(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (s *redisServer) stop() {
	_ = s.admin.Close()         // its server goes, too
	_ = s.cmd.Process.Kill()    // it may have ended by itself
	_, _ = s.cmd.Process.Wait() // it is killed: there is no status to learn from
}

// usage is what Redis has done so far.
type usage struct {
	cpu        time.Duration
	gets, sets float64
}

func (s *redisServer) usage(ctx context.Context) (usage, error) {
	info, err := s.admin.Info(ctx, "cpu", "commandstats").Result()
	if err != nil {
		return usage{}, err
	}
	seconds := infoNumber(info, "used_cpu_user:") + infoNumber(info, "used_cpu_sys:")
	return usage{
		cpu:  time.Duration(seconds * float64(time.Second)),
		gets: infoNumber(info, "cmdstat_get:calls="),
		sets: infoNumber(info, "cmdstat_set:calls="),
	}, nil
}

// infoNumber is the number behind a name at the start of a line of INFO; 0 where there is none, as for a command not yet used.
func infoNumber(info, name string) float64 {
	_, rest, _ := strings.Cut(info, "\n"+name)
	n, err := strconv.ParseFloat(rest[:strings.IndexFunc(rest+" ", notNumber)], 64)
	if err != nil {
		return 0
	}
	return n
}

func notNumber(r rune) bool { return r != '.' && (r < '0' || r > '9') }

// forget deletes the keys of the new pages, so that every round fills an equally empty Redis.
func (s *redisServer) forget(ctx context.Context) error {
	for scan := s.admin.Scan(ctx, 0, "*"+fillPrefix+"*", 10_000); ; {
		keys, next, err := scan.Result()
		if err != nil {
			return err
		}
		if len(keys) > 0 {
			if err := s.admin.Unlink(ctx, keys...).Err(); err != nil {
				return err
			}
		}
		if next == 0 {
			return nil
		}
		scan = s.admin.Scan(ctx, next, "*"+fillPrefix+"*", 10_000)
	}
}
