package cli

import (
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEachPackageHasARow holds the table of CONTRIBUTING.md against the packages below internal.
func TestEachPackageHasARow(t *testing.T) {
	const module = "github.com/pullsecrets/pullsecrets/"
	out, err := exec.Command("go", "list", module+"internal/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var packages []string
	for path := range strings.FieldsSeq(string(out)) {
		packages = append(packages, strings.TrimPrefix(path, module))
	}
	hasRows(t, "../../CONTRIBUTING.md", "internal/", packages)
}

// TestEachModuleHasARow holds the table of hack/README.md against the modules below hack.
func TestEachModuleHasARow(t *testing.T) {
	var modules []string
	err := filepath.WalkDir("../../hack", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "go.mod" {
			modules = append(modules, filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), "../../")))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	hasRows(t, "../../hack/README.md", "hack/", modules)
}

// hasRows wants one row for each of the folders, and none for others below root.
func hasRows(t *testing.T, page, root string, folders []string) {
	t.Helper()
	rows := map[string]int{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(readText(t, page), -1) {
		if strings.HasPrefix(m[1], root) {
			rows[m[1]]++
		}
	}
	for _, folder := range folders {
		if rows[folder] != 1 {
			t.Errorf("%s has %d rows for %s", page, rows[folder], folder)
		}
		delete(rows, folder)
	}
	for folder := range rows {
		t.Errorf("%s has a row for %s, and there is no such folder with code", page, folder)
	}
}
