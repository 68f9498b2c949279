package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestThePreCommitHook does what pre-commit does with the hook that is shipped: it appends the names of the changed
// files that match to the entry.
func TestThePreCommitHook(t *testing.T) {
	text, err := os.ReadFile("../../.pre-commit-hooks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var hooks []struct{ ID, Entry, Language, Files string }
	if err := yaml.Unmarshal(text, &hooks); err != nil || len(hooks) != 1 {
		t.Fatalf("%d hooks: %v", len(hooks), err)
	}
	hook := hooks[0]
	entry := strings.Fields(hook.Entry)
	if hook.Language != "golang" || entry[0] != "pullsecrets" {
		t.Fatalf("%+v: go install makes a program called pullsecrets", hook)
	}
	matches := regexp.MustCompile(hook.Files)
	t.Chdir("../..")
	var changed []string
	err = filepath.WalkDir("examples", func(path string, _ fs.DirEntry, err error) error {
		if matches.MatchString(filepath.ToSlash(path)) {
			changed = append(changed, path)
		}
		return err
	})
	if err != nil || len(changed) < 2 {
		t.Fatalf("of the examples match %v: %v", changed, err)
	}
	if status, out, errs := command(t, "", append(entry[1:], changed...)...); status != 0 || errs != "" {
		t.Errorf("%v: exit %d\n%s%s", changed, status, out, errs)
	}
	broken := filepath.Join(t.TempDir(), "policy.yaml")
	writeFile(t, broken, []byte("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: 7\n"))
	if status, out, _ := command(t, "", append(entry[1:], append(changed, broken)...)...); status != 1 || !strings.Contains(out, broken) {
		t.Errorf("with a broken file: exit %d\n%s", status, out)
	}
}
