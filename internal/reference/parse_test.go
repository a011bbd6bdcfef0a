package reference

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// infinite is what a delta-seconds counts as that is too large (RFC 9111 §1.2.2).
const infinite = 1 << 31

// directives maps a directive's name, in lower case, to its arguments in the order of their occurrence; "" where there is none.
type directives map[string][]string

// parse reads Cache-Control (RFC 9111 §5.2) as generated: with quoted-strings that have an end.
func parse(lines []string) directives {
	d := directives{}
	for _, line := range lines {
		for _, member := range split(line) {
			name, value, _ := strings.Cut(member, "=")
			name = strings.ToLower(strings.TrimSpace(name))
			if name != "" {
				d[name] = append(d[name], value)
			}
		}
	}
	return d
}

// split cuts a line at its commas, those in quotes excepted.
func split(line string) (members []string) {
	begin, inside := 0, false
	for i, c := range line {
		switch {
		case c == '"':
			inside = !inside
		case c == ',' && !inside:
			members = append(members, strings.TrimSpace(line[begin:i]))
			begin = i + 1
		}
	}
	return append(members, strings.TrimSpace(line[begin:]))
}

func (d directives) has(name string) bool { return len(d[name]) > 0 }

// any reports whether one of the names is there.
func (d directives) any(names ...string) bool {
	for _, name := range names {
		if d.has(name) {
			return true
		}
	}
	return false
}

// duration is the smallest of a directive's arguments; valid is false if one of them is no delta-seconds.
func (d directives) duration(name string) (smallest time.Duration, valid bool) {
	smallest = infinite * time.Second
	for _, value := range d[name] {
		seconds, ok := deltaSeconds(value)
		if !ok {
			return 0, false
		}
		smallest = min(smallest, seconds)
	}
	return smallest, true
}

func deltaSeconds(s string) (time.Duration, bool) {
	if len(s) > 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > infinite {
		n = infinite
	}
	return time.Duration(n) * time.Second, true
}

// date reads a field that must be one line with an IMF-fixdate, the only form that is generated.
func date(lines []string) (time.Time, bool) {
	if len(lines) != 1 {
		return time.Time{}, false
	}
	t, err := time.Parse(http.TimeFormat, lines[0])
	return t, err == nil
}
