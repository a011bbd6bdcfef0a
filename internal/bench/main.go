// Bench measures what docs/performance.md holds and prints it as one table: in-process against handlers that write by hand what
// a hit writes, and over the network against handlers without the cache. It needs go, redis-server and wrk.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) == 4 && os.Args[1] == "serve" {
		return serve(os.Args[2], os.Args[3])
	}
	if len(os.Args) == 3 && os.Args[1] == "weigh" {
		return reportWeight(os.Args[2])
	}
	short := flag.Bool("short", false, "under two minutes, with more spread")
	profiles := flag.String("profile", "", "only write CPU profiles of the hits over the network into this `directory`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "larder-bench-")
	if err != nil {
		return err
	}
	p := full
	if *short {
		p = brief
	}
	if *profiles != "" {
		err = profile(ctx, dir, *profiles)
	} else {
		err = p.run(ctx, dir)
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// plan says how much is measured.
type plan struct {
	rounds    int           // of everything that is compared
	turn      time.Duration // of a server under load, in whole seconds
	benchmark time.Duration // of one Go benchmark
	entries   []int         // to weigh
}

var (
	full  = plan{rounds: 7, turn: 2 * time.Second, benchmark: 200 * time.Millisecond, entries: []int{100_000, 1_000_000}}
	brief = plan{rounds: 3, turn: time.Second, benchmark: 100 * time.Millisecond, entries: []int{100_000}}
)

// run measures and prints.
func (p plan) run(ctx context.Context, dir string) error {
	var results []result
	for _, measure := range []func(context.Context, string) ([]result, error){p.inProcess, p.endToEnd, p.inMemory} {
		more, err := measure(ctx, dir)
		if err != nil {
			return err
		}
		results = append(results, more...)
	}
	return write(os.Stdout, results)
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (p plan) inProcess(ctx context.Context, dir string) ([]result, error) {
	benchmarks, err := newProcess(ctx, dir, p.benchmark)
	if err != nil {
		return nil, err
	}
	rows := processRows()
	results := make([]result, len(rows))
	for n := range p.rounds {
		progress("in process, round %d of %d", n+1, p.rounds)
		t, err := benchmarks.round(ctx)
		if err != nil {
			return nil, err
		}
		for i, r := range rows {
			results[i].what, results[i].target, results[i].unit = r.what, r.target, r.unit
			results[i].values = append(results[i].values, r.value(t))
		}
	}
	return results, nil
}

func (p plan) endToEnd(ctx context.Context, dir string) (results []result, err error) {
	a, err := newArena(ctx, dir, p.turn)
	if a != nil {
		defer a.stop()
	}
	if err != nil {
		return nil, err
	}
	for _, c := range contests() {
		more, err := p.contest(ctx, a, c)
		if err != nil {
			return nil, err
		}
		results = append(results, more...)
	}
	slowest := result{what: "200 requests for a cold key, 100 ms handler: the last answer", target: atMost(125), unit: "ms"}
	runs := result{what: "· runs of the handler", target: atMost(1)}
	for n := range p.rounds {
		s, r, err := coldRound(ctx, a.servers[kindCold].addr, n)
		if err != nil {
			return nil, err
		}
		slowest.values, runs.values = append(slowest.values, s), append(runs.values, r)
	}
	return append(results, slowest, runs), nil
}

func (p plan) contest(ctx context.Context, a *arena, c contest) ([]result, error) {
	results := make([]result, len(c.rows))
	rounds := p.rounds
	if c.load.connections != 64 { // then they differ more from each other
		rounds *= 2
	}
	for n := range rounds {
		samples, err := a.round(ctx, c, n)
		if err != nil {
			return nil, err
		}
		progress("%s, %d connections, %d keys, round %d of %d: %+v", c.name, c.load.connections, c.load.keys, n+1, rounds, samples)
		for i, r := range c.rows {
			results[i].what, results[i].target, results[i].unit = r.what, r.target, r.unit
			results[i].values = append(results[i].values, r.value(samples[c.kinds[0]], samples[r.kind]))
		}
	}
	return results, nil
}

func (p plan) inMemory(ctx context.Context, _ string) (results []result, err error) {
	for _, n := range p.entries {
		progress("%d entries in memory", n)
		w, err := weigh(ctx, n)
		if err != nil {
			return nil, err
		}
		results = append(results,
			result{fmt.Sprintf("memory beyond its bytes, of %d entries of 200 B", n), atMost(300), "B an entry", []float64{w.Beyond}},
			result{"· what MemoryBytes reckons for what the heap holds", target{}, "×", []float64{w.Reckoned}},
			result{"· CPU of a garbage collection", target{}, "ms", []float64{w.Cycle}},
			result{"· its duration, beside the program", target{}, "ms", []float64{w.Wall}},
			result{"· its longest pause", target{}, "µs", []float64{w.Pause}})
	}
	return results, nil
}

// profiled are the hits whose CPU profiles are written.
var profiled = map[string]load{
	kindChi:    {connections: 64, prefix: itemPrefix, keys: 1},
	kindMemory: {connections: 64, prefix: itemPrefix, keys: 1},
	kindGet:    {connections: 64, prefix: itemPrefix, keys: manyK},
	kindRedis:  {connections: 64, prefix: itemPrefix, keys: manyK},
}

// profile writes one CPU profile per kind of server.
func profile(ctx context.Context, dir, into string) error {
	a, err := newArena(ctx, dir, 5*time.Second)
	if a != nil {
		defer a.stop()
	}
	if err != nil {
		return err
	}
	for kind, l := range profiled {
		file, err := filepath.Abs(filepath.Join(into, kind+".pprof"))
		if err != nil {
			return err
		}
		if _, err := a.servers[kind].ask("profile " + file); err != nil {
			return err
		}
		f, err := l.apply(ctx, dir, a.servers[kind].addr, a.turn)
		if err != nil {
			return err
		}
		if _, err := a.servers[kind].ask("stop"); err != nil {
			return err
		}
		progress("%s: %.0f requests a second", file, float64(f.requests)/f.duration.Seconds())
	}
	return nil
}
