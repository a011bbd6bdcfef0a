package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// TestDetails: every detail of Cache-Status is explained, and no other.
func TestDetails(t *testing.T) {
	there := append(words(t, "../middleware/status.go", `\tdetail\w+ += "(.*)"`), words(t, "../internal/policy/storing.go", `\tReason\w+ +Reason = "([^"]*)"`)...)
	told := words(t, "cache-status.md", "(?m)^\\| `([a-z-]+)` \\|")
	told = slices.DeleteFunc(told, func(w string) bool { return w == "detail" })
	if len(there) < 30 || !equalSets(there, told) {
		t.Errorf("there are\n%q\nand explained are\n%q", there, told)
	}
}

// TestLogLines: every line that is logged at info level or above is explained, and no other.
func TestLogLines(t *testing.T) {
	const line = `\.(?:Info|Warn|Error)\("(larder: [^"]+)"`
	there := append(words(t, "../middleware/*.go", line), words(t, "../internal/invalidation/*.go", line)...)
	told := words(t, "resilience.md", "(?m)^\\| `(larder: [^`]+)` \\|")
	if len(there) < 10 || !equalSets(there, told) {
		t.Errorf("there are\n%q\nand explained are\n%q", there, told)
	}
}

// words are what the pattern's group matches in the files.
func words(t *testing.T, glob, pattern string) (found []string) {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no file matches %s (%v)", glob, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // ours
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
			found = append(found, string(m[1]))
		}
	}
	return found
}

func equalSets(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
