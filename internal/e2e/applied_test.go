package e2e

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// TestEveryManifestIsApplied has the real API server take every manifest of kustomize and examples, not as a dry run.
// What belongs to Argo CD, Flux and External Secrets is judged by their own resource definitions. Afterwards the API
// server has what the manifest says: kubectl diff finds nothing.
func TestEveryManifestIsApplied(t *testing.T) {
	s := newSandbox(t)
	s.othersDefinitions()
	for _, ns := range []string{"argocd", "flux-system"} {
		s.applied("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + ns + "}\n")
	}
	for _, folder := range kustomizations(t) {
		t.Run(folder, func(t *testing.T) {
			on := *s
			on.t = t
			built := builtFrom(t, folder)
			switch folder {
			case "kustomize/components/wide-rbac": // its roles name nothing
			case "examples/clusters/common": // its roles come with each cluster
			default:
				checkPolicies(t, built)
			}
			on.taken(built)
		})
	}
	for _, file := range standalone(t) {
		t.Run(file, func(t *testing.T) {
			on := *s
			on.t = t
			text, err := os.ReadFile("../../" + file)
			must(t, err)
			on.taken(string(text))
		})
	}
}

// TestTheProjectPermitsWhatIsApplied holds Argo CD's AppProject against what the Application beside it applies.
func TestTheProjectPermitsWhatIsApplied(t *testing.T) {
	s := newSandbox(t)
	text, err := os.ReadFile("../../examples/argocd/application.yaml")
	must(t, err)
	var project struct {
		Spec struct {
			Destinations             []struct{ Namespace string }
			ClusterResourceWhitelist []schema.GroupKind
		}
	}
	must(t, yaml.Unmarshal([]byte(strings.Split(string(text), "\n---\n")[0]), &project))
	used := map[schema.GroupKind]bool{}
	for _, u := range s.built("../../examples/argocd/pullsecrets") {
		switch ns := u.GetNamespace(); {
		case ns == "":
			used[u.GroupVersionKind().GroupKind()] = true
		case ns != project.Spec.Destinations[0].Namespace:
			t.Errorf("%s %s is in %s", u.GetKind(), u.GetName(), ns)
		}
	}
	permitted := map[schema.GroupKind]bool{}
	for _, kind := range project.Spec.ClusterResourceWhitelist {
		permitted[kind] = true
	}
	if diff := cmp.Diff(used, permitted); diff != "" {
		t.Errorf("-applied +permitted:\n%s", diff)
	}
}

// standalone are the manifests that no kustomization builds. Every file of kustomize and examples is one of the two, or
// known to be neither.
func standalone(t *testing.T) (files []string) {
	t.Helper()
	neither := map[string]bool{ // a policy document, and what runs elsewhere than in a cluster
		"examples/policy.yaml": true, "examples/ci/check.sh": true, "examples/ci/plan.sh": true,
		"examples/ci/github-actions.yaml": true, "examples/ci/github-plan.yaml": true,
		"examples/ci/gitlab-ci.yaml": true, "examples/ci/plan-merge-requests.sh": true,
	}
	for _, root := range []string{"kustomize", "examples"} {
		must(t, filepath.WalkDir("../../"+root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			_, missing := os.Stat(filepath.Join(filepath.Dir(path), "kustomization.yaml"))
			if name := strings.TrimPrefix(filepath.ToSlash(path), "../../"); missing != nil && !neither[name] {
				files = append(files, name)
			}
			return nil
		}))
	}
	return files
}

// taken applies manifests in an empty cluster, compares, and takes them away again.
func (s *sandbox) taken(manifests string) {
	s.t.Helper()
	s.t.Cleanup(func() { s.withdraw(manifests) })
	s.applied(manifests)
	if out, err := s.kubectl(manifests, "diff", "--server-side", "--force-conflicts", "-f", "-"); err != nil {
		s.t.Errorf("what was applied is not what is there: %v\n%s", err, out)
	}
}

// applied applies manifests. Unknown fields are errors.
func (s *sandbox) applied(manifests string) {
	s.t.Helper()
	if out, err := s.kubectl(manifests, "apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-"); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
}

// withdraw deletes what was applied. The controller's namespace stays, because all tests use it, without its labels.
func (s *sandbox) withdraw(manifests string) {
	s.t.Helper()
	var rest []string
	admission := false
	for doc := range strings.SplitSeq(manifests, "\n---\n") {
		u := &unstructured.Unstructured{}
		must(s.t, yaml.Unmarshal([]byte(doc), &u.Object))
		switch {
		case u.GetKind() == "Namespace" && u.GetName() == home:
			s.applied("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + home + "}\n")
		case u.GetKind() == "MutatingAdmissionPolicy":
			admission = true // it goes in the order in which the API server forgets it
		case u.GetKind() == "MutatingAdmissionPolicyBinding", u.GetKind() == "CustomResourceDefinition" && admission:
		default:
			rest = append(rest, doc)
		}
	}
	if admission {
		s.removeComponent()
	}
	if out, err := s.kubectl(strings.Join(rest, "\n---\n"), "delete", "--ignore-not-found", "-f", "-"); err != nil {
		s.t.Errorf("%v\n%s", err, out)
	}
}

// definitionFiles are the resource definitions of the tools that the examples are for, in the tools' own Go modules.
// They are of the last releases whose modules this Go version takes.
var definitionFiles = map[string][]string{
	"github.com/fluxcd/kustomize-controller@v1.9.6": {"config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml"},
	"github.com/argoproj/argo-cd/v3@v3.4.13": {"manifests/crds/application-crd.yaml", "manifests/crds/applicationset-crd.yaml",
		"manifests/crds/appproject-crd.yaml"},
	"github.com/fluxcd/source-controller@v1.9.6": {
		"config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml", "config/crd/bases/source.toolkit.fluxcd.io_ocirepositories.yaml"},
	"github.com/external-secrets/external-secrets@v1.3.2": {
		"config/crds/bases/external-secrets.io_externalsecrets.yaml"},
}

// othersDefinitions installs them until the test ends. The modules are fetched into the module cache, as any other.
func (s *sandbox) othersDefinitions() {
	s.t.Helper()
	for module, files := range definitionFiles {
		fetch := exec.Command("go", "mod", "download", "-json", module)
		fetch.Dir = s.t.TempDir() // no module's: nothing here requires them
		out, err := fetch.Output()
		if err != nil {
			s.t.Fatalf("%s: %v\n%s", module, err, out)
		}
		var where struct{ Dir string }
		must(s.t, json.Unmarshal(out, &where))
		for _, file := range files {
			text, err := os.ReadFile(filepath.Join(where.Dir, file))
			must(s.t, err)
			s.applied(string(text))
			u := &unstructured.Unstructured{}
			must(s.t, yaml.Unmarshal(text, &u.Object))
			s.t.Cleanup(func() { _ = s.client.Resource(definitions).Delete(s.ctx, u.GetName(), metav1.DeleteOptions{}) })
			s.eventually(u.GetName()+" is served", func() error {
				_, err := s.kubectl("", "get", u.GetName(), "-A")
				return err
			})
		}
	}
}
