package main

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	larder "github.com/larderhq/larder/middleware"
)

// newRouter is the whole service; what each route says to the cache stands in the line that mounts it.
func newRouter(cache *larder.Cache, users *users) http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.GetHead) // Without it chi answers HEAD on a Get route with 405.

	// Of the query only game_date counts. The parameter checks it: with a bad date the request passes by the cache.
	r.With(cache.OneMinute(larder.Query("game_date"), larder.Param("date", gameDate))).Get("/scoreboard", scoreboard)

	r.With(cache.For(30*time.Second, larder.Name("api.get_user"), larder.NoQuery())).Get("/users/{id}", users.get)
	r.With(cache.Invalidates()).Put("/users/{id}", users.put)

	r.With(cache.Forever()).Get("/immutable_data", immutableData)
	r.With(cache.For(30*time.Second)).Get("/dynamic_data", dynamicData)
	r.With(cache.OneHour(larder.NoQuery())).Get("/report", report)
	return r
}

// writeJSON sends v as the response. The status and the fields are out by the time an error could be told.
func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // The client is gone: there is nobody left to tell.
}
