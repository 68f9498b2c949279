package cases

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const address = "https://github.com/pullsecrets/pullsecrets"

// Newcomer follows docs/gitops.md in a repository of its own. Whatever it reads from this one's address, with git or by
// kustomize, is the tree that is tested, under the tag of its version.
type Newcomer struct {
	*Cluster
	Binary string // pullsecrets
	dir    string // the work tree; its origin is beside it
	env    []string
	steps  map[string]string // from docs/gitops.md
}

// NewNewcomer has an empty repository, and nothing in the controller's namespace.
func NewNewcomer(c *Cluster, binary string) *Newcomer {
	c.T.Helper()
	c.empty(context.Background())
	base, err := filepath.EvalSymlinks(c.T.TempDir())
	must(c.T, err)
	n := &Newcomer{Cluster: c, Binary: binary, dir: base + "/gitops", steps: steps(c.T)}
	n.env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig, "HOME="+base, "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"),
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url.file://"+base+"/published.insteadOf", "GIT_CONFIG_VALUE_0="+address,
		"GIT_AUTHOR_NAME=newcomer", "GIT_AUTHOR_EMAIL=newcomer@example.com", "GIT_COMMITTER_NAME=newcomer", "GIT_COMMITTER_EMAIL=newcomer@example.com")
	n.publish(base + "/published.git")
	n.run(base, "git init --quiet --bare origin.git --initial-branch=main\ngit clone --quiet origin.git gitops 2>&1")
	return n
}

// publish makes a repository of the tree as it is, also of what is not committed.
func (n *Newcomer) publish(dir string) {
	n.T.Helper()
	must(n.T, os.Mkdir(dir, 0o755))
	for _, part := range []string{"kustomize", "examples"} {
		must(n.T, os.CopyFS(filepath.Join(dir, part), os.DirFS(n.root+"/"+part)))
	}
	n.run(dir, fmt.Sprintf("git init --quiet\ngit add --all\ngit commit --quiet --message=published\ngit tag %s", n.Version()))
}

// Version is the one that the tree says it is of.
func (c *Cluster) Version() string {
	c.T.Helper()
	text, err := os.ReadFile(c.root + "/VERSION")
	must(c.T, err)
	return strings.TrimSpace(string(text))
}

func (n *Newcomer) run(dir, script string) {
	n.T.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = dir, n.env
	if out, err := cmd.CombinedOutput(); err != nil {
		n.T.Fatalf("%s\n%v\n%s", script, err, out)
	}
}

// Follow does what the page says under these names, to the letter.
func (n *Newcomer) Follow(names ...string) {
	n.T.Helper()
	for _, name := range names {
		script, ok := n.steps[name]
		if !ok {
			n.T.Fatalf("%s has no step %q", page, name)
		}
		n.run(n.dir, script)
	}
}

// Do is what the page leaves to whoever reads it.
func (n *Newcomer) Do(script string) {
	n.T.Helper()
	n.run(n.dir, script)
}

// Checkout is what a tool gets to see: what was pushed.
func (n *Newcomer) Checkout() string {
	n.T.Helper()
	dir := n.T.TempDir()
	n.run(dir, "git clone --quiet "+filepath.Dir(n.dir)+"/origin.git .")
	return dir
}

// Build is what kustomize makes of a folder, as kubectl has it. References to this repository are followed.
func (n *Newcomer) Build(folder string) []*unstructured.Unstructured {
	n.T.Helper()
	cmd := exec.Command("kubectl", "kustomize", folder)
	cmd.Env = n.env
	out, err := cmd.Output()
	if err != nil {
		n.T.Fatalf("%s: %v\n%s", folder, err, out)
	}
	return Objects(n.T, string(out))
}

// Offline ends that this repository's address leads anywhere: who still refers to it fails.
func (n *Newcomer) Offline() {
	for i, variable := range n.env {
		if strings.HasPrefix(variable, "GIT_CONFIG_KEY_0=") {
			n.env[i] = "GIT_CONFIG_KEY_0=url.file:///nowhere.insteadOf"
		}
	}
}

// Resolve sets what git needs to follow references in this very process.
func (n *Newcomer) Resolve() {
	for _, variable := range n.env {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "GIT_CONFIG_") {
			n.T.Setenv(name, value)
		}
	}
}

// AllFollowed holds the steps of the page whose names begin like this to those that a test follows.
func AllFollowed(t *testing.T, prefix string, followed []string) {
	t.Helper()
	for name := range steps(t) {
		if strings.HasPrefix(name, prefix) && !slices.Contains(followed, name) {
			t.Errorf("no test follows the step %s", name)
		}
	}
}

// steps are the blocks of the page that a reader runs, each under the name in the comment before it.
func steps(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(root(t) + page)
	must(t, err)
	found := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)<!-- step ([a-z0-9.-]+) -->\n+```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		found[m[1]] = m[2]
	}
	if marks := strings.Count(string(text), "<!-- step "); marks != len(found) {
		t.Fatalf("%s has %d marks of steps, and %d steps", page, marks, len(found))
	}
	return found
}

// Objects are the documents of a YAML stream.
func Objects(t *testing.T, text string) (objects []*unstructured.Unstructured) {
	t.Helper()
	for doc := range strings.SplitSeq(text, "\n---\n") {
		u := &unstructured.Unstructured{}
		must(t, yaml.Unmarshal([]byte(doc), &u.Object))
		if u.Object != nil {
			objects = append(objects, u)
		}
	}
	return objects
}

// Uninstall takes away what the newcomer brought, the copies and the names first, and leaves the namespace, which
// all tests use.
func (n *Newcomer) Uninstall(ctx context.Context, installed []*unstructured.Unstructured) {
	n.T.Helper()
	n.run(n.dir, "pullsecrets purge -yes -kubeconfig "+n.Kubeconfig)
	admission := false
	for _, u := range installed {
		switch u.GetKind() {
		case "Namespace":
			continue
		case "CustomResourceDefinition", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding":
			admission = true // they go in the order in which the API server forgets them
			continue
		}
		resource, err := n.Resource(u)
		must(n.T, err)
		if err := resource.Delete(ctx, u.GetName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			n.T.Error(err)
		}
	}
	if admission {
		n.removeComponent(ctx)
	}
}
