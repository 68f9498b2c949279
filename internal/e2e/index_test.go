package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

// TestTheIndexNamesEachFile holds the lists in doc.go, here and in the harness, against the files that are there.
func TestTheIndexNamesEachFile(t *testing.T) {
	for folder, pattern := range map[string]string{".": "*_test.go", "harness": "*.go"} {
		text, err := os.ReadFile(filepath.Join(folder, "doc.go"))
		harness.Must(t, err)
		listed, there := map[string]bool{}, map[string]bool{}
		for _, line := range regexp.MustCompile(`(?m)^//\t(\S+) +\S+ \S+`).FindAllSubmatch(text, -1) {
			if name := string(line[1]); listed[name] {
				t.Errorf("%s/doc.go names %s twice", folder, name)
			} else {
				listed[name] = true
			}
		}
		files, err := filepath.Glob(filepath.Join(folder, pattern))
		harness.Must(t, err)
		for _, file := range files {
			if name := filepath.Base(file); name != "doc.go" {
				there[name] = true
			}
		}
		if diff := cmp.Diff(there, listed); diff != "" {
			t.Errorf("%s/doc.go (-files +listed): %s", folder, diff)
		}
	}
}
