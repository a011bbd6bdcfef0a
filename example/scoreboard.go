package main

import (
	"fmt"
	"net/http"
	"time"
)

// date is a day, as 20190509 in a query and as 2019-05-09 everywhere else, keys included.
type date time.Time

func parseDate(s string) (date, error) {
	t, err := time.Parse("20060102", s)
	if err != nil {
		return date{}, fmt.Errorf("game_date must be a day such as 20190509, not %q", s)
	}
	return date(t), nil
}

// String implements fmt.Stringer, which is how a value becomes a part of a key.
func (d date) String() string { return time.Time(d).Format(time.DateOnly) }

// gameDate is the key parameter of the scoreboard.
func gameDate(r *http.Request) (any, error) { return parseDate(r.URL.Query().Get("game_date")) }

// game is the score of one game.
type game struct {
	Home     string `json:"home"`
	Away     string `json:"away"`
	HomeRuns int    `json:"home_runs"`
	AwayRuns int    `json:"away_runs"`
}

var teams = [...]string{"Harbor Gulls", "Mill City Owls", "Prairie Larks", "Granite Rams"}

// games are the two games of a day, the same whenever one asks.
func games(d date) []game {
	day := time.Time(d).YearDay()
	home, away := teams[day%4], teams[(day+1)%4]
	lateHome, lateAway := teams[(day+2)%4], teams[(day+3)%4]
	return []game{
		{Home: home, Away: away, HomeRuns: day * 7 % 11, AwayRuns: day * 5 % 9},
		{Home: lateHome, Away: lateAway, HomeRuns: day * 3 % 8, AwayRuns: day * 4 % 13},
	}
}

func scoreboard(w http.ResponseWriter, r *http.Request) {
	d, err := parseDate(r.URL.Query().Get("game_date"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, map[string]any{"date": d.String(), "games": games(d)})
}
