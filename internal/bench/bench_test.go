package main

import (
	"strings"
	"testing"
)

func TestTimingsAreNamedByTheirCores(t *testing.T) {
	got := timings{}
	out := `goos: linux
BenchmarkHit/1KiB/larder-2   	 9297421	       752.3 ns/op	       0 B/op	       0 allocs/op
BenchmarkScaling/equal/larder   	 929	       8 ns/op	       16 B/op	       2 allocs/op
PASS`
	if err := got.parse(out); err != nil {
		t.Fatal(err)
	}
	wanted := timings{"Hit/1KiB/larder": {752.3, 0, 0}, "Scaling/equal/larder@1": {8, 16, 2}}
	for name, want := range wanted {
		if got[name] != want {
			t.Errorf("%s: %v, want %v", name, got[name], want)
		}
	}
	if err := got.parse("PASS"); err == nil {
		t.Error("an output without benchmarks is no error")
	}
}

func TestFailedRequestsFailTheRun(t *testing.T) {
	f, err := parseFigures([]byte("Running 1s test\nfigures 1000 2000000 0 1500\n"))
	if err != nil || f.requests != 1000 || f.duration.Seconds() != 2 || f.p99.Microseconds() != 1500 {
		t.Errorf("figures %+v, %v", f, err)
	}
	for _, out := range []string{"\nfigures 1000 2000000 1 1500\n", "\nfigures 0 2000000 0 0\n", "unable to connect"} {
		if _, err := parseFigures([]byte(out)); err == nil {
			t.Errorf("no error for %q", out)
		}
	}
}

func TestInfoNumber(t *testing.T) {
	info := "# CPU\r\nused_cpu_sys:1.250\r\nused_cpu_user:2\r\ncmdstat_get:calls=34,usec=5\r\n"
	wanted := map[string]float64{"used_cpu_sys:": 1.25, "used_cpu_user:": 2, "cmdstat_get:calls=": 34, "cmdstat_set:calls=": 0}
	for name, want := range wanted {
		if got := infoNumber(info, name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestTableJudgesTheMedian(t *testing.T) {
	var out strings.Builder
	err := write(&out, []result{
		{"hit", atMost(2.5), "×", []float64{9, 2, 2.25}},
		{"rate", atLeast(1.4), "R", []float64{1, 1.5}},
		{"pause", target{}, "µs", []float64{12.34}},
	})
	want := `| what | target | median | lowest – highest | |
| --- | --- | --- | --- | --- |
| hit | ≤ 2.50 | 2.25 × | 2 – 9 | met |
| rate | ≥ 1.40 | 1.25 R | 1 – 1.50 | **missed** |
| pause |  | 12.3 µs | 12.3 – 12.3 |  |
`
	if err != nil || out.String() != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, out.String(), want)
	}
}

func TestMedian(t *testing.T) {
	wanted := map[float64][]float64{0: nil, 3: {3}, 2: {3, 1, 2}, 2.5: {4, 1, 2, 3}}
	for want, values := range wanted {
		if got := median(values); got != want {
			t.Errorf("%v: %v, want %v", values, got, want)
		}
	}
}
