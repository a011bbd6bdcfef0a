package script

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// script is a parsed file.
type script struct {
	path    string
	options map[string]string
	steps   []step
}

// step is either a wait or an exchange: a request, what the origin answers in turn, and what the client must get.
type step struct {
	wait            time.Duration
	request, expect *block
	origins         []*block
}

func parse(path, text string) (*script, error) {
	s := &script{path: path, options: map[string]string{}}
	line, err := s.read(text)
	if err != nil {
		return nil, fmt.Errorf("script: %s:%d: %w", path, line, err)
	}
	return s, nil
}

// read adds the blocks of text one after the other; it returns the line of an error.
func (s *script) read(text string) (int, error) {
	blocks, line, err := split(text)
	if err != nil {
		return line, err
	}
	for _, b := range blocks {
		if err := s.add(b); err != nil {
			return b.line, err
		}
	}
	if len(s.steps) == 0 || s.open() {
		return line, errors.New("the script must end with an expect")
	}
	return 0, nil
}

// add appends the block as, or to, the last step.
func (s *script) add(b *block) error {
	switch b.verb {
	case "with":
		return s.addOptions(b)
	case "wait":
		return s.addWait(b)
	case "origin", "expect":
		return s.addAnswer(b)
	}
	if b.verb != strings.ToUpper(b.verb) || len(b.args) != 1 {
		return fmt.Errorf("%q is no verb: write with, METHOD target, origin, expect or wait", b.verb)
	}
	if s.open() {
		return errors.New("the request before this one has no expect")
	}
	s.steps = append(s.steps, step{request: b})
	_, err := url.ParseRequestURI(b.args[0])
	return err
}

// open reports whether the last step is a request that waits for its expect.
func (s *script) open() bool {
	n := len(s.steps)
	return n > 0 && s.steps[n-1].request != nil && s.steps[n-1].expect == nil
}

func (s *script) addOptions(b *block) error {
	if len(s.steps) > 0 {
		return errors.New("with goes to the top of the script")
	}
	for _, arg := range b.args {
		name, value, found := strings.Cut(arg, "=")
		if _, twice := s.options[name]; twice || !found {
			return fmt.Errorf("with %s: write each name=value once", arg)
		}
		s.options[name] = value
	}
	return nil
}

func (s *script) addWait(b *block) error {
	if s.open() {
		return errors.New("wait goes between exchanges")
	}
	d, err := time.ParseDuration(strings.Join(b.args, " "))
	s.steps = append(s.steps, step{wait: d})
	return err
}

func (s *script) addAnswer(b *block) (err error) {
	if !s.open() {
		return fmt.Errorf("%s needs a request above it", b.verb)
	}
	last, args := &s.steps[len(s.steps)-1], strings.Join(b.args, " ")
	switch {
	case b.verb == "expect":
		last.expect = b
	case args == "none":
		return nil
	default:
		last.origins = append(last.origins, b)
		status, delay, found := strings.Cut(args, " after ")
		if args = status; found {
			b.delay, err = time.ParseDuration(delay)
		}
	}
	if err == nil {
		b.status, err = strconv.Atoi(args)
	}
	return err
}
