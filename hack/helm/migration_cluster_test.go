package helm

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// migrating is a cluster in which a migration is tried. The ancestor serves every namespace, so a test has it for itself.
type migrating struct {
	*cluster
	ctx    context.Context
	folder string   // where commands run
	path   string   // with kubectl, helm and pullsecrets
	made   []string // namespaces
}

// newMigrating finds the cluster. helm is the package of the helm command, or empty.
func newMigrating(t *testing.T, helm string) *migrating {
	t.Helper()
	c := newCluster(t)
	folder, err := filepath.EvalSymlinks(t.TempDir()) // kustomize takes no links
	must(t, err)
	m := &migrating{cluster: c, ctx: context.Background(), folder: folder}
	paths := []string{filepath.Dir(theProgram(t))}
	if helm != "" {
		command, err := exec.Command("go", "tool", "-n", helm).Output()
		must(t, err)
		paths = append(paths, filepath.Dir(strings.TrimSpace(string(command))))
	}
	m.path = strings.Join(append(paths, os.Getenv("PATH")), string(os.PathListSeparator))
	return m
}

// shell runs a command as somebody types it, and returns what it prints.
func (m *migrating) shell(command string) string {
	m.t.Helper()
	cmd := exec.CommandContext(m.ctx, "bash", "-euo", "pipefail", "-c", command)
	cmd.Dir = m.folder
	cmd.Env = append(os.Environ(), "PATH="+m.path, "KUBECONFIG="+m.kubeconfig, "HOME="+m.folder)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		m.t.Fatalf("%s\n%v\n%s%s", command, err, out, &errors)
	}
	return string(out)
}

func (m *migrating) file(name, text string) {
	m.t.Helper()
	must(m.t, os.WriteFile(filepath.Join(m.folder, name), []byte(text), 0o644))
}

func (m *migrating) get(resource schema.GroupVersionResource, namespace, name string) *unstructured.Unstructured {
	m.t.Helper()
	u, err := m.client.Resource(resource).Namespace(namespace).Get(m.ctx, name, metav1.GetOptions{})
	must(m.t, err)
	return u
}

func (m *migrating) eventually(what string, condition func() error) {
	m.t.Helper()
	eventually(m.t, 30*time.Second, what, condition)
}

// namespace makes a namespace that lasts as long as the test, with these service accounts besides its default one.
func (m *migrating) namespace(name string, accounts ...string) {
	m.t.Helper()
	m.create(kinds.namespaces, object("v1", "Namespace", "", name))
	m.made = append(m.made, name)
	for _, account := range accounts {
		m.create(kinds.accounts, object("v1", "ServiceAccount", name, account))
	}
	m.eventually("the default service account is born", func() error {
		_, err := m.client.Resource(kinds.accounts).Namespace(name).Get(m.ctx, "default", metav1.GetOptions{})
		return err
	})
}

// delete deletes objects that are in no namespace, or namespaces, and waits for their end.
func (m *migrating) delete(resource schema.GroupVersionResource, names ...string) {
	for _, name := range names {
		_ = m.client.Resource(resource).Delete(m.ctx, name, metav1.DeleteOptions{})
	}
	for _, name := range names {
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if _, err := m.client.Resource(resource).Get(m.ctx, name, metav1.GetOptions{}); err != nil {
				break
			}
		}
	}
}

func (m *migrating) create(resource schema.GroupVersionResource, u *unstructured.Unstructured) *unstructured.Unstructured {
	m.t.Helper()
	out, err := m.client.Resource(resource).Namespace(u.GetNamespace()).Create(m.ctx, u, metav1.CreateOptions{FieldManager: "somebody"})
	must(m.t, err)
	return out
}

// annotate sets an annotation as kubectl does.
func (m *migrating) annotate(resource schema.GroupVersionResource, namespace, name, annotation, value string) {
	m.t.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{annotation: value}}})
	must(m.t, err)
	_, err = m.client.Resource(resource).Namespace(namespace).Patch(m.ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kubectl"})
	must(m.t, err)
}

func object(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}
