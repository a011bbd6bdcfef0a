// Package docs checks that the documents speak of what exists.
package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// directories are where the packages of the matrix live.
var directories = map[string]string{
	"etag":       "../etag",
	"middleware": "../middleware",
	"policy":     "../internal/policy",
	"proxy":      "../example/proxy",
	"reference":  "../internal/reference",
}

const scripts = "../middleware/testdata/script"

var quoted = regexp.MustCompile("`([^`]+)`")

// functions are those of a directory's packages, methods by their bare names.
func functions(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no Go files (%v)", dir, err)
	}
	names := map[string]bool{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

// checker knows what exists, and what the matrix has named.
type checker struct {
	functions map[string]map[string]bool
	scripts   map[string]bool // true when named
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	c := &checker{map[string]map[string]bool{}, map[string]bool{}}
	for name, dir := range directories {
		c.functions[name] = functions(t, dir)
	}
	files, err := filepath.Glob(filepath.Join(scripts, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		c.scripts[strings.TrimSuffix(filepath.Base(file), ".txt")] = false
	}
	return c
}

// exists reports whether name is a function, with its package, or a script.
func (c *checker) exists(name string) bool {
	if pkg, function, ok := strings.Cut(name, "."); ok {
		return c.functions[pkg][function]
	}
	_, ok := c.scripts[name]
	if ok {
		c.scripts[name] = true
	}
	return ok
}

// row is one line of the matrix.
type row struct{ section, statement, rule, proof string }

func rows(t *testing.T, path string) (list []row) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 || strings.Contains(cells[0], "---") || strings.TrimSpace(cells[0]) == "§" {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		list = append(list, row{cells[0], cells[1], cells[2], cells[3]})
	}
	return list
}

// problems says what is wrong with the row.
func (r row) problems(c *checker) (list []string) {
	proofs := quoted.FindAllStringSubmatch(r.proof, -1)
	if strings.HasPrefix(r.proof, "does not apply: ") {
		return nil
	}
	if r.rule == "" || len(proofs) == 0 {
		list = append(list, "a row needs a rule and a proof, or says that it does not apply and why")
	}
	for _, m := range quoted.FindAllStringSubmatch(r.rule, -1) {
		if !c.exists(m[1]) {
			list = append(list, "there is no function "+m[1])
		}
	}
	for _, m := range proofs {
		test := strings.Contains(m[1], ".Test") || !strings.Contains(m[1], ".")
		if !test || !c.exists(m[1]) {
			list = append(list, "there is no test or script "+m[1])
		}
	}
	return list
}

func TestMatrix(t *testing.T) {
	c := newChecker(t)
	all := rows(t, "rfc9111.md")
	if len(all) < 100 {
		t.Fatalf("found %d rows only", len(all))
	}
	for _, r := range all {
		for _, problem := range r.problems(c) {
			t.Errorf("§%s %s: %s", r.section, r.statement, problem)
		}
	}
	for name, named := range c.scripts {
		if !named {
			t.Errorf("no row names the script %s", name)
		}
	}
}

func TestProblems(t *testing.T) {
	c := newChecker(t)
	tests := map[string]struct {
		row  row
		want int
	}{
		"complete":         {row{rule: "`policy.Store`", proof: "`policy.TestStoreRefuses` `range`"}, 0},
		"does not apply":   {row{proof: "does not apply: reason"}, 0},
		"no proof":         {row{rule: "`policy.Store`"}, 1},
		"no rule":          {row{proof: "`range`"}, 1},
		"unknown function": {row{rule: "`policy.Nothing`", proof: "`range`"}, 1},
		"unknown script":   {row{rule: "`policy.Store`", proof: "`nothing`"}, 1},
		"unknown test":     {row{rule: "`policy.Store`", proof: "`policy.TestNothing`"}, 1},
		"no test":          {row{rule: "`policy.Store`", proof: "`policy.Store`"}, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.row.problems(c); len(got) != tt.want {
				t.Errorf("got %q, want %d", got, tt.want)
			}
		})
	}
}
