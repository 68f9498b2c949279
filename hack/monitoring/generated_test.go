package monitoring

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the generated files")

const component = "../../kustomize/components/monitoring/"

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// upToDate holds a generated file against what it has to be, and writes it with -update.
func upToDate(t *testing.T, path string, want []byte, err error) {
	t.Helper()
	must(t, err)
	if *update {
		must(t, os.WriteFile(path, want, 0o644))
	}
	if diff := cmp.Diff(string(want), read(t, path)); diff != "" {
		t.Errorf("%s is stale, run go -C hack/monitoring test . -run Generated -update (-want +got):\n%s", path, diff)
	}
}

func TestGeneratedRules(t *testing.T) {
	text, err := Rules()
	upToDate(t, component+"rules.yaml", text, err)
}

func TestGeneratedDashboard(t *testing.T) {
	text, err := Dashboard()
	upToDate(t, component+"dashboard.json", text, err)
}
