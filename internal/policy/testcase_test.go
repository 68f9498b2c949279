package policy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// testCase is a file of testdata in the txtar form: a comment that says why, documents, and what is expected of them.
type testCase struct {
	path string
	*txtar.Archive
}

// testCases reads the files of a pattern. There are at least so many: a pattern that finds too few tests nothing.
func testCases(t testing.TB, pattern string, atLeast int) (cases []testCase) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) < atLeast {
		t.Fatalf("%s has %d files, and at least %d are there: %v", pattern, len(paths), atLeast, err)
	}
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, testCase{path, a})
	}
	return cases
}

func (c testCase) name() string { return strings.TrimSuffix(filepath.Base(c.path), ".txtar") }

// at is where a file stands in the case, or -1.
func (c testCase) at(file string) int {
	return slices.IndexFunc(c.Files, func(f txtar.File) bool { return f.Name == file })
}

// file is the text of a file, empty where there is none.
func (c testCase) file(name string) string {
	if i := c.at(name); i >= 0 {
		return string(c.Files[i].Data)
	}
	return ""
}

// documents are the files that Parse is given: all but those that say what is expected of it.
func (c testCase) documents() map[string]string {
	out := map[string]string{}
	for _, f := range c.Files {
		if f.Name != "problems" && f.Name != "rules" {
			out[f.Name] = string(f.Data)
		}
	}
	return out
}

// expect holds what came out against the file that says what should, and writes that file with -update.
func (c testCase) expect(t *testing.T, file, got string) {
	t.Helper()
	diff := cmp.Diff(c.file(file), got)
	if diff == "" {
		return
	}
	if !*update {
		t.Errorf("%s(-want +got):\n%s", c.Comment, diff)
		return
	}
	if c.at(file) < 0 {
		c.Files = append(c.Files, txtar.File{Name: file})
	}
	c.Files[c.at(file)].Data = []byte(got)
	if err := os.WriteFile(c.path, txtar.Format(c.Archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
