package helm

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// migrating is a cluster in which a migration is tried. The ancestor serves every namespace, so a test has it for itself.
type migrating struct {
	*cluster
	folder string   // where commands run
	path   string   // with kubectl, helm and pullsecrets
	made   []string // namespaces
}

// newMigrating finds the cluster. helm is the package of the helm command, or empty.
func newMigrating(t *testing.T, helm string) *migrating {
	t.Helper()
	c := newCluster(t)
	folder, err := filepath.EvalSymlinks(t.TempDir()) // kustomize takes no links
	harness.Must(t, err)
	c.Patience = 30 * time.Second
	m := &migrating{cluster: c, folder: folder}
	paths := []string{filepath.Dir(harness.Binary(t))}
	if helm != "" {
		command, err := exec.Command("go", "tool", "-n", helm).Output()
		harness.Must(t, err)
		paths = append(paths, filepath.Dir(strings.TrimSpace(string(command))))
	}
	m.path = strings.Join(append(paths, os.Getenv("PATH")), string(os.PathListSeparator))
	return m
}

// shell runs a command as somebody types it, and returns what it prints.
func (m *migrating) shell(command string) string {
	m.T.Helper()
	cmd := exec.CommandContext(m.Ctx, "bash", "-euo", "pipefail", "-c", command)
	cmd.Dir = m.folder
	cmd.Env = append(os.Environ(), "PATH="+m.path, "KUBECONFIG="+m.Kubeconfig, "HOME="+m.folder)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		m.T.Fatalf("%s\n%v\n%s%s", command, err, out, &errors)
	}
	return string(out)
}

func (m *migrating) file(name, text string) {
	m.T.Helper()
	harness.Must(m.T, os.WriteFile(filepath.Join(m.folder, name), []byte(text), 0o644))
}

// namespace makes a namespace that lasts as long as the test, with these service accounts besides its default one.
func (m *migrating) namespace(name string, accounts ...string) {
	m.T.Helper()
	m.Create(api.Namespaces, api.Object("v1", "Namespace", "", name))
	m.made = append(m.made, name)
	for _, account := range accounts {
		m.Create(api.Accounts, api.Object("v1", "ServiceAccount", name, account))
	}
	m.Eventually("the default service account is born", func() error {
		_, err := m.Client.Resource(api.Accounts).Namespace(name).Get(m.Ctx, "default", metav1.GetOptions{})
		return err
	})
}

// delete deletes objects that are in no namespace, or namespaces, and waits for their end.
func (m *migrating) delete(resource schema.GroupVersionResource, names ...string) {
	for _, name := range names {
		_ = m.Client.Resource(resource).Delete(m.Ctx, name, metav1.DeleteOptions{})
	}
	for _, name := range names {
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if _, err := m.Client.Resource(resource).Get(m.Ctx, name, metav1.GetOptions{}); err != nil {
				break
			}
		}
	}
}

// annotate sets an annotation as kubectl does.
func (m *migrating) annotate(resource schema.GroupVersionResource, namespace, name, annotation, value string) {
	m.T.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{annotation: value}}})
	harness.Must(m.T, err)
	_, err = m.Client.Resource(resource).Namespace(namespace).Patch(m.Ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kubectl"})
	harness.Must(m.T, err)
}
