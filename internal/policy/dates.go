package policy

import (
	"net/http"
	"strings"
	"time"
)

// lastPlainYear bounds the two-digit years of ParseDate, which knows no current time: they are 1970 to 2069.
const lastPlainYear = 2069

// ParseDate parses an HTTP-date: one of its three formats and nothing else, in UTC (RFC 9110 §5.6.7). Unlike
// http.ParseTime it refuses one-digit hours, repeated spaces and zones other than GMT, and accepts names in any case
// (RFC 9111 §4.2). White space around the value is the caller's to trim.
func ParseDate(s string) (time.Time, bool) {
	date, twoDigits, ok := parseDate(s)
	if ok && twoDigits && date.year() > lastPlainYear {
		date.century--
	}
	return date.time(ok)
}

// ParseDateAt is ParseDate with the two-digit years of RFC 850 seen from now: more than 50 years in the future means
// the most recent year in the past with the same digits (RFC 9110 §5.6.7).
func ParseDateAt(s string, now time.Time) (time.Time, bool) {
	date, twoDigits, ok := parseDate(s)
	if !ok || !twoDigits {
		return date.time(ok)
	}
	limit := now.UTC().AddDate(50, 0, 0)
	date.century = limit.Year() / 100
	t, ok := date.time(ok)
	if t.After(limit) || !ok {
		date.century--
		t, ok = date.time(true)
	}
	return t, ok
}

// civil is a date in its parts, not yet known to exist.
type civil struct {
	century, twoDigits, day int
	month                   time.Month
	hour, minute, second    int
}

func (c civil) year() int { return c.century*100 + c.twoDigits }

// time returns the instant, unless there is none such (31 April, 24:00:00). A leap second is the second before it:
// what clocks cannot express must not become later (RFC 9111 §4.2).
func (c civil) time(ok bool) (time.Time, bool) {
	if !ok || c.hour > 23 || c.minute > 59 || c.second > 60 {
		return time.Time{}, false
	}
	if c.second == 60 {
		if c.hour != 23 || c.minute != 59 {
			return time.Time{}, false
		}
		c.second = 59
	}
	t := time.Date(c.year(), c.month, c.day, c.hour, c.minute, c.second, 0, time.UTC)
	if t.Day() != c.day { // time.Date carries what does not exist into the next month.
		return time.Time{}, false
	}
	return t, true
}

// parseDate finds out the format by the character behind the day's name.
func parseDate(s string) (c civil, twoDigits, ok bool) {
	p := dateReader{rest: s, ok: true}
	name := p.letters()
	switch {
	case isDayName(name) && strings.HasPrefix(p.rest, ", "):
		p.fixdate(&c)
	case isLongDayName(name):
		p.rfc850(&c)
		twoDigits = true
	case isDayName(name):
		p.asctime(&c)
	default:
		return civil{}, false, false
	}
	return c, twoDigits, p.ok && p.rest == "" && c.day > 0
}

func isDayName(s string) bool { return len(s) == 3 && beginsDayName(s) }

func isLongDayName(s string) bool {
	return len(s) > 3 && strings.EqualFold(s[len(s)-3:], "day") && beginsDayName(s)
}

// beginsDayName reports whether the name of a day begins with s.
func beginsDayName(s string) bool {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if name := day.String(); len(s) <= len(name) && strings.EqualFold(s, name[:len(s)]) {
			return true
		}
	}
	return false
}

// AppendDate appends the IMF-fixdate of an instant in Unix seconds (RFC 9110 §5.6.7); it does not allocate where dst
// has room for 29 bytes.
func AppendDate(dst []byte, unixSeconds int64) []byte {
	return time.Unix(unixSeconds, 0).UTC().AppendFormat(dst, http.TimeFormat)
}
