package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

//go:embed load.lua
var loadScript []byte

// load is what wrk does to a server. wrk, because a loader in Go would take as much of the machine as the server itself.
type load struct {
	connections int
	prefix      string // of the paths
	keys        int
	once        bool // a new key for each request
}

// figures are what wrk saw.
type figures struct {
	requests int
	duration time.Duration
	p99      time.Duration
}

// apply runs wrk against a server.
func (l load) apply(ctx context.Context, dir, addr string, d time.Duration) (figures, error) {
	script := filepath.Join(dir, "load.lua")
	if err := os.WriteFile(script, loadScript, 0o600); err != nil {
		return figures{}, err
	}
	order := "random"
	if l.once {
		order = "once"
	}
	//nolint:gosec // the arguments are ours
	cmd := exec.CommandContext(ctx, "wrk", "-c", strconv.Itoa(l.connections), "-t", strconv.Itoa(min(2, l.connections)),
		"-d", fmt.Sprintf("%ds", max(1, int(d/time.Second))), "-s", script, "http://"+addr, "--", l.prefix, strconv.Itoa(l.keys), order)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return figures{}, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	return parseFigures(out)
}

// parseFigures reads the line that load.lua writes.
func parseFigures(out []byte) (figures, error) {
	_, line, found := bytes.Cut(out, []byte("\nfigures "))
	var requests, micros, failed, p99 int
	if _, err := fmt.Sscan(string(line), &requests, &micros, &failed, &p99); err != nil || !found || requests == 0 || micros == 0 {
		return figures{}, fmt.Errorf("wrk: no figures in\n%s", out)
	}
	if failed > 0 {
		return figures{}, fmt.Errorf("wrk: %d requests failed\n%s", failed, out)
	}
	return figures{requests, time.Duration(micros) * time.Microsecond, time.Duration(p99) * time.Microsecond}, nil
}
