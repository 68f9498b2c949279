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

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// TestEveryManifestIsApplied has the real API server take every manifest of kustomize and examples, not as a dry run.
// What belongs to Argo CD, Flux and External Secrets is judged by their own resource definitions; of the Prometheus operator
// only the kinds are known. Afterwards the API
// server has what the manifest says: kubectl diff finds nothing.
func TestEveryManifestIsApplied(t *testing.T) {
	s := newSandbox(t)
	s.othersDefinitions()
	s.definitionsOfTheOperator()
	for _, ns := range []string{"argocd", "flux-system"} {
		s.Apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + ns + "}\n")
	}
	for _, folder := range harness.Kustomizations(t) {
		t.Run(folder, func(t *testing.T) {
			on := *s
			on.T = t
			built := harness.BuiltFrom(t, folder)
			if strings.Contains(built, "kind: MutatingAdmissionPolicy\n") {
				on.Needs(harness.Mutation)
			}
			switch folder {
			case "kustomize/components/wide-rbac": // its roles name nothing
			case "examples/clusters/common": // its roles come with each cluster
			default:
				checkPolicies(t, built)
			}
			on.ApplyUntilEnd(built)
		})
	}
	for _, file := range standalone(t) {
		t.Run(file, func(t *testing.T) {
			on := *s
			on.T = t
			text, err := os.ReadFile("../../" + file)
			harness.Must(t, err)
			on.ApplyUntilEnd(string(text))
		})
	}
}

// TestTheProjectPermitsWhatIsApplied holds Argo CD's AppProject against what the Application beside it applies.
func TestTheProjectPermitsWhatIsApplied(t *testing.T) {
	newSandbox(t) // kubectl comes with the API server
	text, err := os.ReadFile("../../examples/argocd/application.yaml")
	harness.Must(t, err)
	var project struct {
		Spec struct {
			Destinations             []struct{ Namespace string }
			ClusterResourceWhitelist []schema.GroupKind
		}
	}
	harness.Must(t, yaml.Unmarshal([]byte(strings.Split(string(text), "\n---\n")[0]), &project))
	used := map[schema.GroupKind]bool{}
	for _, u := range harness.Objects(t, harness.Kustomize(t, "examples/argocd/pullsecrets")) {
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
		harness.Must(t, filepath.WalkDir("../../"+root, func(path string, d fs.DirEntry, err error) error {
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

// definitionFiles are the resource definitions of the tools that the examples are for, in the tools' own Go modules.
// They are of the last releases whose modules this Go version takes.
var definitionFiles = map[string][]string{
	"github.com/fluxcd/kustomize-controller@v1.9.6": {"config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml"},
	"github.com/argoproj/argo-cd/v3@v3.4.13": {"manifests/crds/application-crd.yaml", "manifests/crds/applicationset-crd.yaml",
		"manifests/crds/appproject-crd.yaml"},
	"github.com/fluxcd/source-controller@v1.9.6": {
		"config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml", "config/crd/bases/source.toolkit.fluxcd.io_ocirepositories.yaml"},
	"github.com/external-secrets/external-secrets@v1.3.2": {
		"config/crds/bases/external-secrets.io_externalsecrets.yaml",
		"config/crds/bases/generators.external-secrets.io_acraccesstokens.yaml",
		"config/crds/bases/generators.external-secrets.io_ecrauthorizationtokens.yaml",
		"config/crds/bases/generators.external-secrets.io_gcraccesstokens.yaml",
		"config/crds/bases/generators.external-secrets.io_quayaccesstokens.yaml"},
}

// operatorsDefinitions are the kinds of the Prometheus operator, with any content: it comes in no Go module. What is in them
// hack/monitoring holds against the operator's own types.
const operatorsDefinitions = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: podmonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: PodMonitor, plural: podmonitors}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: prometheusrules.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: PrometheusRule, plural: prometheusrules}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

// definitionsOfTheOperator installs them until the test ends.
func (s *sandbox) definitionsOfTheOperator() {
	s.T.Helper()
	s.Apply(operatorsDefinitions)
	for _, u := range harness.Objects(s.T, operatorsDefinitions) {
		s.untilServed(u.GetName())
	}
}

// untilServed waits until a resource definition works, and deletes it when the test ends.
func (s *sandbox) untilServed(name string) {
	s.T.Helper()
	s.T.Cleanup(func() { _ = s.Client.Resource(api.Definitions).Delete(s.Ctx, name, metav1.DeleteOptions{}) })
	s.Eventually(name+" is served", func() error {
		_, err := s.Kubectl("", "get", name, "-A")
		return err
	})
}

// othersDefinitions installs them until the test ends. The modules are fetched into the module cache, as any other. Those of Flux's
// notifications are in no module that can be had; they are made of its types, which are, and stand in testdata/definitions.
func (s *sandbox) othersDefinitions() {
	s.T.Helper()
	for module, files := range definitionFiles {
		fetch := exec.Command("go", "mod", "download", "-json", module)
		fetch.Dir = s.T.TempDir() // no module's: nothing here requires them
		out, err := fetch.Output()
		if err != nil {
			s.T.Fatalf("%s: %v\n%s", module, err, out)
		}
		var where struct{ Dir string }
		harness.Must(s.T, json.Unmarshal(out, &where))
		for _, file := range files {
			s.define(filepath.Join(where.Dir, file))
		}
	}
	made, err := filepath.Glob("testdata/definitions/*.yaml")
	harness.Must(s.T, err)
	for _, file := range made {
		s.define(file)
	}
}

// define installs the resource definition in a file until the test ends.
func (s *sandbox) define(file string) {
	s.T.Helper()
	text, err := os.ReadFile(file)
	harness.Must(s.T, err)
	s.Apply(string(text))
	u := &unstructured.Unstructured{}
	harness.Must(s.T, yaml.Unmarshal(text, &u.Object))
	s.untilServed(u.GetName())
}
