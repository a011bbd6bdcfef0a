package policy

import (
	"strings"
	"time"
)

// dateReader reads a date from left to right; once ok is false the rest means nothing.
type dateReader struct {
	rest string
	ok   bool
}

// fixdate reads ", 06 Nov 1994 08:49:37 GMT".
func (p *dateReader) fixdate(c *civil) {
	p.text(", ")
	c.day = p.digits()
	p.text(" ")
	c.month = p.month()
	p.text(" ")
	c.century, c.twoDigits = p.digits(), p.digits()
	p.text(" ")
	p.timeOfDay(c)
	p.zone()
}

// rfc850 reads ", 06-Nov-94 08:49:37 GMT"; the century is for the caller to choose, the latest possible one stands in.
func (p *dateReader) rfc850(c *civil) {
	p.text(", ")
	c.day = p.digits()
	p.text("-")
	c.month = p.month()
	p.text("-")
	c.century, c.twoDigits = 20, p.digits()
	p.text(" ")
	p.timeOfDay(c)
	p.zone()
}

// asctime reads " Nov  6 08:49:37 1994": its day alone is padded with a space.
func (p *dateReader) asctime(c *civil) {
	p.text(" ")
	c.month = p.month()
	p.text(" ")
	c.day = p.paddedDigits()
	p.text(" ")
	p.timeOfDay(c)
	p.text(" ")
	c.century, c.twoDigits = p.digits(), p.digits()
}

// timeOfDay reads "08:49:37".
func (p *dateReader) timeOfDay(c *civil) {
	c.hour = p.digits()
	p.text(":")
	c.minute = p.digits()
	p.text(":")
	c.second = p.digits()
}

// zone reads " GMT"; another zone is invalid (RFC 9111 §4.2), its case does not matter.
func (p *dateReader) zone() {
	p.text(" ")
	p.ok = p.ok && strings.EqualFold(p.letters(), "GMT")
}

// text reads exactly want.
func (p *dateReader) text(want string) {
	rest, found := strings.CutPrefix(p.rest, want)
	p.rest, p.ok = rest, p.ok && found
}

// digits reads exactly two digits.
func (p *dateReader) digits() int {
	if len(p.rest) < 2 || !isDigit(p.rest[0]) || !isDigit(p.rest[1]) {
		p.ok = false
		return 0
	}
	n := int(p.rest[0]-'0')*10 + int(p.rest[1]-'0')
	p.rest = p.rest[2:]
	return n
}

// paddedDigits reads two digits of which the first may be a space.
func (p *dateReader) paddedDigits() int {
	if len(p.rest) < 2 || p.rest[0] != ' ' || !isDigit(p.rest[1]) {
		return p.digits()
	}
	n := int(p.rest[1] - '0')
	p.rest = p.rest[2:]
	return n
}

// month reads a month's name of three letters.
func (p *dateReader) month() time.Month {
	name := p.letters()
	for m := time.January; m <= time.December; m++ {
		if strings.EqualFold(name, m.String()[:3]) {
			return m
		}
	}
	p.ok = false
	return time.January
}

// letters reads a run of ASCII letters.
func (p *dateReader) letters() string {
	i := 0
	for i < len(p.rest) && isLetter(p.rest[i]) {
		i++
	}
	run := p.rest[:i]
	p.rest = p.rest[i:]
	return run
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
