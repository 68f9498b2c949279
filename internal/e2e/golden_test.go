package e2e

import (
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
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
	base := documents(t, kustomize(t, "../../kustomize/base"))
	known := documents(t, withComponent(t, "admission"))
	maps.Copy(known, base)
	expected := map[string]bool{}
	for _, folder := range kustomizations(t) {
		file := "testdata/kustomize/" + strings.ReplaceAll(folder, "/", "-") + ".yaml"
		expected[filepath.Base(file)] = true
		t.Run(folder, func(t *testing.T) {
			all := documents(t, builtFrom(t, folder))
			got := beyond(known, base, all)
			switch folder {
			case "kustomize/base":
				got = beyond(nil, nil, base)
			case "kustomize/components/admission":
				got = beyond(base, base, all)
			}
			got = revisionHash.ReplaceAllString(got, "${1}HASH")
			if *update {
				must(t, os.MkdirAll("testdata/kustomize", 0o755))
				must(t, os.WriteFile(file, []byte(got), 0o644))
			}
			want, err := os.ReadFile(file)
			must(t, err)
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
	files, err := os.ReadDir("testdata/kustomize")
	must(t, err)
	for _, f := range files {
		if !expected[f.Name()] {
			t.Errorf("testdata/kustomize/%s is of no kustomization", f.Name())
		}
	}
}

// kustomizations are all folders of kustomize and examples that kustomize builds.
func kustomizations(t *testing.T) (folders []string) {
	t.Helper()
	for _, root := range []string{"kustomize", "examples"} {
		must(t, filepath.WalkDir("../../"+root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Name() == "kustomization.yaml" {
				folders = append(folders, strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../../"))
			}
			return err
		}))
	}
	if len(folders) < 12 {
		t.Fatalf("only %v were found", folders)
	}
	return folders
}

// builtFrom builds a folder; a component on top of the base, because it changes what others bring.
func builtFrom(t *testing.T, folder string) string {
	t.Helper()
	if component, ok := strings.CutPrefix(folder, "kustomize/components/"); ok {
		return withComponent(t, component)
	}
	return kustomize(t, "../../"+folder)
}

// documents are the objects of a stream by kind, namespace and name.
func documents(t *testing.T, stream string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for doc := range strings.SplitSeq(stream, "\n---\n") {
		u := &unstructured.Unstructured{}
		must(t, yaml.Unmarshal([]byte(doc), &u.Object))
		name := strings.Join(strings.Fields(u.GetKind()+" "+u.GetNamespace()+" "+u.GetName()), "/")
		if all[name] != "" {
			t.Errorf("%s is there twice", name)
		}
		all[name] = strings.TrimSpace(doc) + "\n"
	}
	return all
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
