package harness

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Root is the folder of the repository: tests run in their package's folder, somewhere below it.
func Root(t *testing.T) string {
	t.Helper()
	root, err := repository()
	Must(t, err)
	return root
}

func repository() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; folder != filepath.Dir(folder); folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "kustomize", "base")); err == nil {
			return folder, nil
		}
	}
	return "", errors.New("not within the repository")
}

// Kustomize builds a folder of the repository, or one that has an absolute path, with the real kustomize.
func Kustomize(t *testing.T, folder string) string {
	t.Helper()
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(Root(t), folder)
	}
	built, err := exec.Command("kubectl", "kustomize", folder).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, built)
	}
	return string(built)
}

// WithComponent builds the base with a component.
func WithComponent(t *testing.T, component string) string {
	t.Helper()
	folder, err := filepath.EvalSymlinks(t.TempDir())
	Must(t, err)
	root, err := filepath.Rel(folder, filepath.Join(Root(t), "kustomize")) // kustomize takes no absolute paths
	Must(t, err)
	text := "resources: [" + root + "/base]\ncomponents: [" + root + "/components/" + component + "]\n"
	Must(t, os.WriteFile(folder+"/kustomization.yaml", []byte(text), 0o644))
	return Kustomize(t, folder)
}

// BuiltFrom builds a folder; a component on top of the base, because it changes what others bring.
func BuiltFrom(t *testing.T, folder string) string {
	t.Helper()
	if component, ok := strings.CutPrefix(folder, "kustomize/components/"); ok {
		return WithComponent(t, component)
	}
	return Kustomize(t, folder)
}

// Kustomizations are all folders of kustomize and examples that kustomize builds.
func Kustomizations(t *testing.T) (folders []string) {
	t.Helper()
	for _, root := range []string{"kustomize", "examples"} {
		Must(t, filepath.WalkDir(filepath.Join(Root(t), root), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Name() == "kustomization.yaml" {
				var folder string
				folder, err = filepath.Rel(Root(t), filepath.Dir(path))
				folders = append(folders, filepath.ToSlash(folder))
			}
			return err
		}))
	}
	if len(folders) < 12 {
		t.Fatalf("only %v were found", folders)
	}
	return folders
}

// Objects are the objects of a stream of manifests.
func Objects(t *testing.T, stream string) (all []*unstructured.Unstructured) {
	t.Helper()
	for doc := range strings.SplitSeq(stream, "\n---\n") {
		u := &unstructured.Unstructured{}
		Must(t, yaml.Unmarshal([]byte(doc), &u.Object))
		all = append(all, u)
	}
	return all
}

// Documents are the objects of a stream by kind, namespace and name.
func Documents(t *testing.T, stream string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for doc := range strings.SplitSeq(stream, "\n---\n") {
		u := Objects(t, doc)[0]
		name := strings.Join(strings.Fields(u.GetKind()+" "+u.GetNamespace()+" "+u.GetName()), "/")
		if all[name] != "" {
			t.Errorf("%s is there twice", name)
		}
		all[name] = strings.TrimSpace(doc) + "\n"
	}
	return all
}
