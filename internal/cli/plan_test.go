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
