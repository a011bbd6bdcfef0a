package policy

import "github.com/dunglas/httpsfv"

// maxGroups bounds the groups of one response; RFC 9875 §2 asks for at least 32.
const maxGroups = 128

// ParseGroups reads the lines of Cache-Groups or Cache-Group-Invalidation, a List of Strings (RFC 9875 §2, §3). A field that
// does not parse, holds anything else or too much is ignored as a whole. Parameters are ignored.
func ParseGroups(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	list, err := httpsfv.UnmarshalList(lines)
	if err != nil || len(list) > maxGroups {
		return nil
	}
	groups := make([]string, 0, len(list))
	for _, member := range list {
		item, ok := member.(httpsfv.Item)
		if !ok {
			return nil
		}
		group, ok := item.Value.(string)
		if !ok {
			return nil
		}
		groups = append(groups, group)
	}
	return groups
}

// FormatGroups writes the value of a Cache-Groups field. A name that no Structured Field string can hold is left out.
func FormatGroups(groups []string) string {
	list := make(httpsfv.List, 0, len(groups))
	for _, g := range groups {
		if item := httpsfv.NewItem(g); printable(g) && len(list) < maxGroups {
			list = append(list, item)
		}
	}
	if len(list) == 0 {
		return ""
	}
	value, err := httpsfv.Marshal(list)
	if err != nil { // cannot be: every member is a printable string
		return ""
	}
	return value
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
