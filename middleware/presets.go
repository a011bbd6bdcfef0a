package middleware

import (
	"net/http"
	"time"
)

// The lifetimes of the presets. OneMonth is 30 days and OneYear 365, the longest lifetime there is.
const (
	OneMinute = time.Minute
	OneHour   = time.Hour
	OneDay    = 24 * time.Hour
	OneWeek   = 7 * OneDay
	OneMonth  = 30 * OneDay
	OneYear   = 365 * OneDay
)

// OneMinute is For(OneMinute, rules...).
func (c *Cache) OneMinute(rules ...Rule) func(http.Handler) http.Handler {
	return c.For(OneMinute, rules...)
}

// OneHour is For(OneHour, rules...).
func (c *Cache) OneHour(rules ...Rule) func(http.Handler) http.Handler {
	return c.For(OneHour, rules...)
}

// OneDay is For(OneDay, rules...).
func (c *Cache) OneDay(rules ...Rule) func(http.Handler) http.Handler {
	return c.For(OneDay, rules...)
}

// OneWeek is For(OneWeek, rules...).
func (c *Cache) OneWeek(rules ...Rule) func(http.Handler) http.Handler {
	return c.For(OneWeek, rules...)
}

// OneMonth is For(OneMonth, rules...).
func (c *Cache) OneMonth(rules ...Rule) func(http.Handler) http.Handler {
	return c.For(OneMonth, rules...)
}

// OneYear is For(OneYear, rules...).
func (c *Cache) OneYear(rules ...Rule) func(http.Handler) http.Handler {
	return c.For(OneYear, rules...)
}

// Forever is for what never changes: one year, the historical "never expires" of HTTP.
func (c *Cache) Forever(rules ...Rule) func(http.Handler) http.Handler {
	return c.For(OneYear, rules...)
}
