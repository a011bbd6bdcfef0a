package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
)

// target is a bound that a figure should keep.
type target struct {
	sign  string // ≤ or ≥; "": there is none
	bound float64
}

func atMost(bound float64) target  { return target{"≤", bound} }
func atLeast(bound float64) target { return target{"≥", bound} }

func (t target) met(v float64) bool {
	switch t.sign {
	case "≤":
		return v <= t.bound
	case "≥":
		return v >= t.bound
	default:
		return true
	}
}

// result is a row of the table with what each round measured.
type result struct {
	what   string
	target target
	unit   string
	values []float64
}

// median of the values; of an even number, the mean of the two in the middle.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// write prints the results as a table in Markdown.
func write(w io.Writer, results []result) error {
	if _, err := fmt.Fprint(w, "| what | target | median | lowest – highest | |\n| --- | --- | --- | --- | --- |\n"); err != nil {
		return err
	}
	for _, r := range results {
		if len(r.values) == 0 {
			continue
		}
		m, bound, verdict := median(r.values), "", ""
		if r.target.sign != "" {
			bound, verdict = r.target.sign+" "+number(r.target.bound), "met"
		}
		if !r.target.met(m) {
			verdict = "**missed**"
		}
		_, err := fmt.Fprintf(w, "| %s | %s | %s %s | %s – %s | %s |\n",
			r.what, bound, number(m), r.unit, number(slices.Min(r.values)), number(slices.Max(r.values)), verdict)
		if err != nil {
			return err
		}
	}
	return nil
}

// number has three digits that count.
func number(v float64) string {
	switch {
	case v >= 100 || v == float64(int(v)):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}
