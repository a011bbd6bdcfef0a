package invalidation

import (
	"fmt"
	"strings"
)

// String writes a position as a short text of letters, digits, dots and hyphens, for ParsePosition.
func (p Position) String() string {
	return fmt.Sprintf("%s.%x.%x-%x", p.History, p.Generation, p.Millis, p.Seq)
}

// ParsePosition reads what String wrote. ok is false for anything else.
func ParsePosition(s string) (p Position, ok bool) {
	history, rest, found := strings.Cut(s, ".")
	if !found || len(s) > 128 {
		return Position{}, false
	}
	n, err := fmt.Sscanf(rest, "%x.%x-%x", &p.Generation, &p.Millis, &p.Seq)
	p.History = history
	return p, err == nil && n == 3 && p.String() == s
}
