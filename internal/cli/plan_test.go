package cli

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAPlanInEachForm plans a policy against a dump; what comes of it stands beside them. To accept it as it is:
// go test ./internal/cli -run EachForm -update
func TestAPlanInEachForm(t *testing.T) {
	for _, form := range []string{"text", "json", "markdown"} {
		var out, errs bytes.Buffer
		status := Main(context.Background(), []string{"plan", "-f", "testdata/plan/policy.yaml", "-cluster", "testdata/plan/cluster.yaml", "-o", form},
			strings.NewReader(""), &out, &errs)
		if status != 1 || errs.Len() > 0 {
			t.Fatalf("%s: status %d, want 1\n%s", form, status, errs.String())
		}
		file := "testdata/plan/want." + form
		if *update {
			if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", form, diff)
		}
	}
}

func TestADumpThatCannotBeTheWholeClusterIsDoubted(t *testing.T) {
	var out, errs bytes.Buffer
	const dump = `{"kind": "List", "apiVersion": "v1", "items": [
		{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "a", "managedFields": [{"manager": "x"}]}},
		{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "b"}},
		{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "c"}},
		{"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default", "namespace": "a"}}]}`
	status := Main(context.Background(), []string{"plan", "-f", "testdata/plan/policy.yaml", "-cluster", "-"}, strings.NewReader(dump), &out, &errs)
	if status != 0 {
		t.Errorf("status %d\n%s", status, errs.String())
	}
	for _, want := range []string{"holds no Secret at all", "only 1 of 3 namespaces", "-A"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("not doubted for %q:\n%s", want, errs.String())
		}
	}
}
