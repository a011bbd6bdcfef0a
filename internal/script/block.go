package script

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// block is a verb at the margin and what stands indented below it.
type block struct {
	line    int
	verb    string
	args    []string
	status  int           // of origin and expect
	delay   time.Duration // of origin
	seen    []field       // of origin, marked with >: what it must see
	fields  []field
	body    string
	hasBody bool
}

// field is one "Name: value", "Name: ~ pattern" or "!Name" line.
type field struct {
	line    int
	absent  bool
	name    string
	value   string
	pattern *regexp.Regexp
}

// split sorts lines into blocks by their indentation; it returns the line where it stopped.
func split(text string) (blocks []*block, line int, err error) {
	var b *block
	for text := range strings.Lines(text) {
		line++
		text = strings.TrimRight(text, "\r\n")
		switch rest, indented := cutIndent(text); {
		case strings.HasPrefix(text, "#"):
		case indented && b == nil:
			return nil, line, errors.New("an indented line needs a verb above it")
		case indented || strings.TrimSpace(text) == "":
			if b != nil {
				err = b.add(line, rest)
			}
		case text[0] == ' ':
			err = errors.New("indent with four spaces or a tab")
		default:
			words := strings.Fields(text)
			b = &block{line: line, verb: words[0], args: words[1:]}
			blocks = append(blocks, b)
		}
		if err != nil {
			return nil, line, err
		}
	}
	for _, b := range blocks {
		b.trim()
	}
	return blocks, line, nil
}

func cutIndent(text string) (string, bool) {
	if rest, ok := strings.CutPrefix(text, "\t"); ok {
		return rest, true
	}
	return strings.CutPrefix(text, "    ")
}

// add takes an indented or blank line: a field up to the first blank line, from there on a line of the body.
func (b *block) add(line int, text string) error {
	if b.hasBody || strings.TrimSpace(text) == "" {
		b.body, b.hasBody = b.body+text+"\n", true
		return nil
	}
	text, seen := strings.CutPrefix(text, "> ")
	f, err := newField(line, text)
	switch {
	case seen && b.verb != "origin":
		return errors.New("> tells what an origin must see")
	case seen:
		b.seen = append(b.seen, f)
	default:
		b.fields = append(b.fields, f)
	}
	return err
}

func newField(line int, text string) (field, error) {
	if name, absent := strings.CutPrefix(text, "!"); absent {
		return field{line: line, name: name, absent: true}, nil
	}
	// A pseudo-field (":path: /doc") has its first colon in front.
	i := strings.Index(text[1:], ":") + 1
	if i == 0 {
		return field{}, fmt.Errorf("%q is no field: write Name: value, or a blank line before the body", text)
	}
	f := field{line: line, name: text[:i], value: strings.TrimSpace(text[i+1:])}
	expr, matched := strings.CutPrefix(f.value, "~ ")
	if !matched {
		return f, nil
	}
	var err error
	f.pattern, err = regexp.Compile("^(?:" + expr + ")$")
	return f, err
}

// trim takes off the body the blank lines that only keep it apart from what is around it.
func (b *block) trim() {
	b.body = strings.Trim(b.body, "\n")
	b.hasBody = b.body != ""
	if b.body == "(empty)" {
		b.body = ""
	}
}

// names reports whether a response field of that name is given or, with !, ruled out.
func (b *block) names(name string) bool {
	return slices.ContainsFunc(b.fields, func(f field) bool { return strings.EqualFold(f.name, name) })
}
