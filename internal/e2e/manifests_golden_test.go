package e2e

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

var update = flag.Bool("update", false, "write the expected files as they have to be")

// revisionHash is that of a policy's text, which names the version of its schema: it would change with each release.
var revisionHash = regexp.MustCompile(`(pullsecrets/revision: pullsecrets-policy-text-)[a-z0-9]{10}\b`)

// TestWhatEachKustomizationBuilds builds every kustomization of kustomize and examples with the real kustomize. What
// comes of the base is testdata/kustomize/kustomize-base.yaml; of all others stands only what the base does not have,
// and of the overlays only what the component admission does not have either. To accept what comes of them:
//
//	go -C hack/controlplane run . run -- go test ./internal/e2e -run EachKustomization -update
func TestWhatEachKustomizationBuilds(t *testing.T) {
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skip("needs kubectl: run make test")
	}
	base := harness.Documents(t, harness.Kustomize(t, "kustomize/base"))
	known := harness.Documents(t, harness.WithComponent(t, "admission"))
	maps.Copy(known, base)
	expected := map[string]bool{}
	for _, folder := range harness.Kustomizations(t) {
		file := "testdata/kustomize/" + strings.ReplaceAll(folder, "/", "-") + ".yaml"
		expected[filepath.Base(file)] = true
		t.Run(folder, func(t *testing.T) {
			all := harness.Documents(t, harness.BuiltFrom(t, folder))
			got := beyond(known, base, all)
			switch folder {
			case "kustomize/base":
				got = beyond(nil, nil, base)
			case "kustomize/components/admission":
				got = beyond(base, base, all)
			}
			got = revisionHash.ReplaceAllString(got, "${1}HASH")
			if *update {
				harness.Must(t, os.MkdirAll("testdata/kustomize", 0o755))
				harness.Must(t, os.WriteFile(file, []byte(got), 0o644))
			}
			want, err := os.ReadFile(file)
			harness.Must(t, err)
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
	files, err := os.ReadDir("testdata/kustomize")
	harness.Must(t, err)
	for _, f := range files {
		if !expected[f.Name()] {
			t.Errorf("testdata/kustomize/%s is of no kustomization", f.Name())
		}
	}
}

// beyond writes what of a stream is not known as it is, and which of the base's objects are not there.
func beyond(known, base, all map[string]string) string {
	var b strings.Builder
	same := 0
	for name, doc := range all {
		if known[name] == doc {
			same++
		}
	}
	fmt.Fprintf(&b, "# %d objects", len(all))
	if same > 0 {
		fmt.Fprintf(&b, ", %d of them as they come with the base or its admission component", same)
	}
	b.WriteString("\n")
	for _, name := range slices.Sorted(maps.Keys(base)) {
		if same > 0 && all[name] == "" {
			fmt.Fprintf(&b, "# Not here: %s\n", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name] != known[name] {
			fmt.Fprintf(&b, "---\n%s", all[name])
		}
	}
	return b.String()
}
