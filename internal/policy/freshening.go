package policy

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Freshen returns the fields of a stored response updated by those of a 304, or of a 200 to HEAD (RFC 9111 §3.2,
// §4.3.4, §4.3.5): each replaces what is stored, except those that describe the stored content and those that are
// never stored. Date and Age tell about one message, so that old ones go even where the update has none. Neither
// argument is changed; values are copied.
func Freshen(stored, update http.Header, targets ...string) http.Header {
	merged := stored.Clone()
	if merged == nil {
		merged = make(http.Header)
	}
	delete(merged, "Age")
	delete(merged, "Date")
	unstored := Unstored(update, targets...)
	for name, values := range update {
		if !describesContent(name) && !unstored(name) {
			merged[name] = slices.Clone(values)
		}
	}
	// What Cache-Control withholds now may have been stored before it did.
	unstored = Unstored(merged, targets...)
	for name := range merged {
		if unstored(name) {
			delete(merged, name)
		}
	}
	return merged
}

// describesContent reports whether a field belongs to the stored content, which a response without content cannot
// replace (RFC 9111 §3.2).
func describesContent(name string) bool {
	switch name {
	case "Content-Length", "Content-Encoding", "Content-Type", "Content-Range":
		return true
	}
	return false
}

// Updatable reports whether a 304 to our validation of a stored response is about that response (RFC 9111 §4.3.4):
// its entity tag must match, strongly where it is strong; without one, its Last-Modified. A 304 without any validator
// can only mean the one response whose validators the request had.
func Updatable(stored, update http.Header) bool {
	tag, hasTag := Singleton(update["Etag"])
	storedTag, storedHasTag := Singleton(stored["Etag"])
	switch {
	case len(update["Etag"]) > 1:
		return false
	case hasTag && storedHasTag:
		return matchesTag(storedTag, tag)
	case len(update["Last-Modified"]) > 0:
		return sameModified(stored, update)
	}
	return !hasTag
}

// matchesTag compares strongly where the received tag is strong, else weakly (RFC 9110 §8.8.3.2).
func matchesTag(stored, received string) bool {
	if opaque, weak := strings.CutPrefix(received, "W/"); weak {
		return strings.TrimPrefix(stored, "W/") == opaque
	}
	return stored == received
}

func sameModified(stored, update http.Header) bool {
	a, _ := Singleton(stored["Last-Modified"])
	b, _ := Singleton(update["Last-Modified"])
	before, ok := ParseDate(a)
	after, alsoOK := ParseDate(b)
	return ok && alsoOK && before.Equal(after)
}

// UpdatableByHead reports whether a 200 to HEAD describes the stored response of size octets, which it then freshens;
// otherwise the stored response is to be considered stale (RFC 9111 §4.3.5).
func UpdatableByHead(stored, head http.Header, size int64) bool {
	for _, name := range [...]string{"Etag", "Last-Modified"} {
		if len(head[name]) > 0 && !slices.Equal(stored[name], head[name]) {
			return false
		}
	}
	length, ok := Singleton(head["Content-Length"])
	return len(head["Content-Length"]) == 0 || ok && length == strconv.FormatInt(size, 10)
}
