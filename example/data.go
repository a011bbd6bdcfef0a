package main

import (
	"net/http"
	"time"
)

func immutableData(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"bases": 4, "innings": 9, "strikes": 3})
}

func dynamicData(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"computed_at": time.Now().UTC()})
}

const (
	reportTakes = 2 * time.Second
	season      = 2019
)

// report adds up a season. Requests that come while it runs wait for the same run.
func report(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(reportTakes):
	case <-r.Context().Done():
		http.Error(w, "the report was given up", http.StatusServiceUnavailable)
		return
	}
	runs := map[string]int{}
	for day := time.Date(season, time.April, 1, 0, 0, 0, 0, time.UTC); day.Month() < time.October; day = day.AddDate(0, 0, 1) {
		for _, g := range games(date(day)) {
			runs[g.Home] += g.HomeRuns
			runs[g.Away] += g.AwayRuns
		}
	}
	writeJSON(w, map[string]any{"season": season, "runs": runs})
}
