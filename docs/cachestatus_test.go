package docs

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestDetails: every detail of Cache-Status is explained, and no other.
func TestDetails(t *testing.T) {
	words := func(file, pattern string) (found []string) {
		text, err := os.ReadFile(file) //nolint:gosec // ours
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
			found = append(found, string(m[1]))
		}
		return found
	}
	there := append(words("../middleware/status.go", `\tdetail\w+ += "(.*)"`), words("../internal/policy/storing.go", `\tReason\w+ +Reason = "([^"]*)"`)...)
	told := words("cache-status.md", "(?m)^\\| `([a-z-]+)` \\|")
	slices.Sort(there)
	slices.Sort(told)
	if told = slices.DeleteFunc(told, func(w string) bool { return w == "detail" }); len(there) < 30 || !slices.Equal(there, told) {
		t.Errorf("there are\n%v\nand explained are\n%v", there, told)
	}
}
