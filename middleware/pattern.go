package middleware

import (
	"net/http"
	"net/url"
	"strings"
)

// pattern is a route pattern of http.ServeMux or chi taken apart: literals around wildcards.
type pattern struct {
	text      string
	literals  []string // one more than wildcards
	wildcards []string // {id}, {id:[0-9]+}, {rest...}, *
	usable    bool     // not empty, no wildcard twice
}

func parsePattern(text string) *pattern {
	p := &pattern{text: text}
	path := text
	if i := strings.IndexByte(path, ' '); i >= 0 { // ServeMux puts the method in front
		path = strings.TrimLeft(path[i:], " \t")
	}
	if i := strings.IndexByte(path, '/'); i > 0 { // and the host
		path = path[i:]
	}
	path = strings.TrimSuffix(path, "{$}") // ServeMux's end marker stands for nothing
	start := 0
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case '*':
			p.add(path[start:i], "*")
			start = i + 1
		case '{':
			end := closing(path, i)
			p.add(path[start:i], wildcardName(path[i+1:end]))
			i, start = end, min(end+1, len(path))
		}
	}
	p.literals = append(p.literals, path[start:])
	p.usable = path != "" && len(uniqueSorted(p.wildcards)) == len(p.wildcards)
	return p
}

func (p *pattern) add(literal, wildcard string) {
	p.literals = append(p.literals, literal)
	p.wildcards = append(p.wildcards, wildcard)
}

// closing finds the brace that closes the one at i; a regular expression may hold braces of its own.
func closing(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(s) - 1
}

func wildcardName(s string) string {
	s, _, _ = strings.Cut(s, ":")
	return strings.TrimSuffix(s, "...")
}

// expands reports whether the pattern with the request's path values is the original path, so that the values say which
// resource is meant. It is not where something was stripped off the path or a wildcard comes twice.
func (p *pattern) expands(r *http.Request, original string) bool {
	if !p.usable {
		return false
	}
	rest := original
	for i, name := range p.wildcards {
		var ok bool
		if rest, ok = strings.CutPrefix(rest, p.literals[i]); !ok {
			return false
		}
		if rest, ok = cutValue(rest, r.PathValue(name)); !ok {
			return false
		}
	}
	return rest == p.literals[len(p.wildcards)]
}

// cutValue takes a path value off the front of an escaped path. Only the one canonical spelling of a value counts, so that
// a%2Fb, a/b, %61/b … never pass for each other.
func cutValue(escaped, value string) (rest string, ok bool) {
	if strings.IndexFunc(value, needsEscape) < 0 {
		return strings.CutPrefix(escaped, value)
	}
	if strings.Contains(value, "/") {
		return "", false
	}
	return strings.CutPrefix(escaped, url.PathEscape(value))
}

func needsEscape(c rune) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return false
	}
	return !strings.ContainsRune("-._~/", c)
}

// expand fills the wildcards of a tag's template such as "item:{id}" with the request's path values.
func (rt *route) expand(template string, r *http.Request) string {
	if !strings.Contains(template, "{") {
		return template
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(template, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, rest, _ := strings.Cut(after, "}")
		value := r.PathValue(name)
		if value == "" {
			rt.adviseWildcard(r, name)
		}
		b.WriteString(value)
		template = rest
	}
}
