package policy

import (
	"strings"
	"time"
)

// ModifiedSince is the condition of If-Modified-Since, of which it gets all lines (RFC 9110 §13.1.3): false where the
// stored response was last modified at or before the field's date. Without Last-Modified its Date stands in
// (RFC 9111 §4.3.2; without Date, pass the time of receipt). It is true, so that the field is ignored, where a date is
// missing or invalid.
func ModifiedSince(ifModifiedSince []string, lastModified, date string) bool {
	line, _ := Singleton(ifModifiedSince)
	since, ok := ParseDate(line)
	if !ok {
		return true
	}
	if lastModified == "" {
		lastModified = date
	}
	modified, ok := ParseDate(lastModified)
	return !ok || modified.After(since)
}

// IfRange is the condition of If-Range (RFC 9110 §13.1.5): false means that Range is ignored. An entity tag must
// match strongly. A date must be exactly Last-Modified, and a strong validator: date, the stored response's Date, is
// at least one second later (§8.8.2.2).
func IfRange(field, etag, lastModified, date string) bool {
	field = trim(field)
	if strings.HasPrefix(field, `"`) {
		return isStrongTag(field) && field == etag
	}
	wanted, ok := ParseDate(field)
	if !ok {
		return false
	}
	modified, ok := ParseDate(lastModified)
	if !ok || !modified.Equal(wanted) {
		return false
	}
	sent, ok := ParseDate(date)
	return ok && sent.Sub(modified) >= time.Second
}

// isStrongTag reports whether s is a well-formed entity tag without "W/" (RFC 9110 §8.8.3).
func isStrongTag(s string) bool {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	for i := 1; i < len(s)-1; i++ {
		if c := s[i]; c <= ' ' || c == '"' || c == 0x7f {
			return false
		}
	}
	return true
}
