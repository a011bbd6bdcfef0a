package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// timing is one line of a Go benchmark.
type timing struct {
	nanos, bytes, allocations float64 // per call
}

// The benchmarks that the rows compare, as package middleware names them.
const (
	hitBare, hitLarder = "Hit/1KiB/bare", "Hit/1KiB/larder"
	missBare, missed   = "Miss/store/bare", "Miss/store/larder"
)

// timings are those of one round, by the name of the benchmark without its prefix and with its GOMAXPROCS where that is 1.
type timings map[string]timing

// over is how often b fits into a.
func (t timings) over(a, b string) float64 { return t[a].nanos / t[b].nanos }

// processRow is one figure of a round.
type processRow struct {
	what   string
	target target
	unit   string
	value  func(timings) float64
}

// processRows are the rows that need no network.
func processRows() []processRow {
	rows := []processRow{}
	ratio := func(what string, most float64, a, b string) {
		rows = append(rows, processRow{what, atMost(most), "× bare", func(t timings) float64 { return t.over(a, b) }})
	}
	allocations := func(most float64, a, but string) {
		rows = append(rows,
			processRow{"· allocations", atMost(most), "", func(t timings) float64 { return t[a].allocations - t[but].allocations }})
	}
	for _, hit := range []struct {
		what, name string
		most       float64
	}{
		{"memory hit, 1 KiB", "1KiB", 2.5},
		{"memory hit, 64 KiB", "64KiB", 2.5},
		{"memory hit, 1 KiB, a browser's request", "browser", 2.5},
		{"memory hit, 10,000 keys", "10000keys", 4.5},
		{"memory hit around chi", "aroundchi", 2.5},
		{"two tiers, warm", "twotiers", 2.5},
	} {
		name := "Hit/" + hit.name
		ratio(hit.what, hit.most, name+"/larder", name+"/bare")
		allocations(0, name+"/larder", "")
	}
	rows = append(rows, processRow{"304 from memory", atMost(1), "× its 200", func(t timings) float64 { return t.over("Hit/304/larder", hitLarder) }})
	allocations(0, "Hit/304/larder", "")
	rows = append(rows, processRow{"memory hit behind chi, beyond chi's own", atMost(2), "× bare", func(t timings) float64 {
		return (t["Hit/chi/larder"].nanos - t["Hit/chi/bare"].nanos) / t[hitBare].nanos
	}})
	allocations(0, "Hit/chi/larder", "Hit/chi/bare")
	ratio("miss and store in memory", 20, missed, missBare)
	allocations(15, missed, "")
	rows = append(rows, processRow{"Redis hit, allocations", atMost(6), "", func(t timings) float64 { return t["Redis/1KiB/larder"].allocations }})
	return append(rows, scalingRows()...)
}

// scalingRows say how much more two cores do than one. What the machine makes of the bare handler is beside it.
func scalingRows() []processRow {
	var rows []processRow
	for _, keys := range []string{"equal", "distinct"} {
		name := "Scaling/" + keys + "/"
		scales := func(side string) func(timings) float64 {
			return func(t timings) float64 { return t.over(name+side+onOne, name+side) }
		}
		rows = append(rows,
			processRow{"2 cores, " + keys + " keys", atLeast(1.8), "× one core", scales("larder")},
			processRow{"· the bare handler", target{}, "× one core", scales("bare")})
	}
	return rows
}

// onOne marks the timings with GOMAXPROCS=1.
const onOne = "@1"

// process runs the benchmarks of package middleware in rounds of its test binary, so that each meets its reference again and again.
type process struct {
	binary string
	each   time.Duration // how long a benchmark runs
}

func newProcess(ctx context.Context, dir string, each time.Duration) (*process, error) {
	p := &process{binary: filepath.Join(dir, "middleware.test"), each: each}
	//nolint:gosec // the arguments are ours
	out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", p.binary, "github.com/larderhq/larder/middleware").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test -c: %w\n%s", err, out)
	}
	return p, nil
}

func (p *process) round(ctx context.Context) (timings, error) {
	t := timings{}
	if err := p.run(ctx, t, "^Benchmark(Hit|Miss|Redis)$", "2"); err != nil {
		return nil, err
	}
	return t, p.run(ctx, t, "^BenchmarkScaling$", "1,2")
}

func (p *process) run(ctx context.Context, t timings, pattern, cpus string) error {
	//nolint:gosec // the arguments are ours
	out, err := exec.CommandContext(ctx, p.binary, "-test.run=^$", "-test.bench="+pattern, "-test.benchtime="+p.each.String(),
		"-test.cpu="+cpus).CombinedOutput()
	if err != nil {
		return fmt.Errorf("benchmarks: %w\n%s", err, out)
	}
	return t.parse(string(out))
}

var benchmarkLine = regexp.MustCompile(`(?m)^Benchmark(\S+?)(-\d+)?\s+\d+\s+([\d.]+) ns/op\s+(\d+) B/op\s+(\d+) allocs/op`)

// parse adds the lines of a run. A name without a suffix ran on one core.
func (t timings) parse(out string) error {
	found := benchmarkLine.FindAllStringSubmatch(out, -1)
	if len(found) == 0 {
		return fmt.Errorf("no benchmarks in\n%s", out)
	}
	for _, m := range found {
		name := m[1]
		if m[2] == "" {
			name += onOne
		}
		var v [3]float64
		for i := range v {
			var err error
			if v[i], err = strconv.ParseFloat(m[3+i], 64); err != nil {
				return err
			}
		}
		t[name] = timing{v[0], v[1], v[2]}
	}
	return nil
}
