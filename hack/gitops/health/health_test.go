package health

import (
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/hack/gitops/cases/luahealth"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

const (
	argocdFile = "../../../examples/argocd/argocd-cm.yaml"
	fluxFile   = "../../../examples/flux/clusters/production/pullsecrets.yaml"
	ociFile    = "../../../examples/flux/oci/pullsecrets.yaml"
	policyName = "pullsecrets-policy"
)

// said are the annotations of a policy: what the user says, and what the controller said of it.
func said(revision, observed, status string) map[string]any {
	all := map[string]any{}
	for key, value := range map[string]string{
		"pullsecrets/revision": revision, "pullsecrets/observed-revision": observed, "pullsecrets/status": status,
	} {
		if value != "" {
			all[key] = value
		}
	}
	if status != "" {
		all["pullsecrets/message"] = "in words"
	}
	return all
}

func configMap(namespace, name string, metadata map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{}}}
	maps.Copy(u.Object["metadata"].(map[string]any), metadata)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

func TestWhatEachToolSaysOfAPolicy(t *testing.T) {
	argocd, err := luahealth.Read(argocdFile)
	harness.Must(t, err)
	kustomization, err := ReadFlux(fluxFile, policyName)
	harness.Must(t, err)
	for _, c := range []struct {
		why          string
		annotations  any
		argocd, flux string
	}{
		{"nobody has said anything: the ConfigMap is new, or no controller runs", nil, "Progressing", "InProgress"},
		{"annotations that are null are none", map[string]any(nil), "Progressing", "InProgress"},
		{"a revision that nobody has judged", said("b", "", ""), "Progressing", "InProgress"},
		{"in force everywhere", said("b", "b", "Ready"), "Healthy", "Current"},
		{"what is Ready is the text before", said("b", "a", "Ready"), "Progressing", "InProgress"},
		{"what is Ready is a text from before revisions were used", said("b", "", "Ready"), "Progressing", "InProgress"},
		{"in force, with problems: Flux waits whether they end", said("b", "b", "Degraded"), "Degraded", "InProgress"},
		{"the text before had problems", said("b", "a", "Degraded"), "Progressing", "InProgress"},
		{"refused", said("b", "b", "Invalid"), "Degraded", "Failed"},
		{"the text before was refused", said("b", "a", "Invalid"), "Progressing", "InProgress"},
		{"without revisions, the last verdict counts", said("", "", "Ready"), "Healthy", "Current"},
		{"without revisions, refused", said("", "", "Invalid"), "Degraded", "Failed"},
		{"a status of a version that is yet to come", said("b", "b", "Splendid"), "Degraded", "InProgress"},
	} {
		metadata := map[string]any{}
		if c.annotations != nil {
			metadata["annotations"] = c.annotations
		}
		if a, ok := c.annotations.(map[string]any); ok && a == nil {
			metadata["annotations"] = nil
		}
		u := configMap("pullsecrets", policyName, metadata)
		got, err := argocd.Health(u)
		if err != nil || got.Status != c.argocd {
			t.Errorf("%s: Argo CD says %+v, %v; want %s", c.why, got, err, c.argocd)
		}
		if told := strings.Contains(got.Message, "in words"); told != (c.argocd != "Progressing") {
			t.Errorf("%s: Argo CD's message is %q", c.why, got.Message)
		}
		if got, err := kustomization.Health(t.Context(), u); err != nil || got.Status != c.flux {
			t.Errorf("%s: Flux says %+v, %v; want %s", c.why, got, err, c.flux)
		}
	}
}

// TestOtherConfigMapsAreHealthy tries what no rule about the policy may touch: Argo CD asks its script about every
// ConfigMap of the cluster, and Flux its expressions about every one of the Kustomization.
func TestOtherConfigMapsAreHealthy(t *testing.T) {
	argocd, err := luahealth.Read(argocdFile)
	harness.Must(t, err)
	kustomization, err := ReadFlux(fluxFile, policyName)
	harness.Must(t, err)
	for _, u := range []*unstructured.Unstructured{
		configMap("pullsecrets", "pullsecrets-status", nil),
		configMap("shop", "app", map[string]any{"annotations": map[string]any{"pullsecrets/status": "Invalid", "pullsecrets/revision": "a"}}),
		configMap("shop", "app", map[string]any{"annotations": nil}),
	} {
		if got, err := argocd.Health(u); err != nil || got.Status != "Healthy" {
			t.Errorf("Argo CD says of %s: %+v, %v", u.GetName(), got, err)
		}
		if got, err := kustomization.Health(t.Context(), u); err != nil || got.Status != "Current" {
			t.Errorf("Flux says of %s: %+v, %v", u.GetName(), got, err)
		}
	}
	elsewhere := configMap("shop", policyName, nil)
	if got, err := argocd.Health(elsewhere); err != nil || got.Status != "Healthy" {
		t.Errorf("Argo CD says of another namespace's: %+v, %v", got, err)
	}
}

// TestTheExamplesOfFluxAreAlike where they mean the same: the tests above are of one of them.
func TestTheExamplesOfFluxAreAlike(t *testing.T) {
	byGit, err := ReadFlux(fluxFile, policyName)
	harness.Must(t, err)
	fromRegistry, err := ReadFlux(ociFile, policyName)
	harness.Must(t, err)
	if !reflect.DeepEqual(byGit, fromRegistry) {
		t.Errorf("%s and %s have other healthCheckExprs", fluxFile, ociFile)
	}
	ours, err := os.ReadFile("../../../kustomize/components/revision/reference.yaml")
	harness.Must(t, err)
	copied, err := os.ReadFile("../../../examples/flux/oci/policy/reference.yaml")
	harness.Must(t, err)
	if string(ours) != string(copied) {
		t.Error("examples/flux/oci has another reference.yaml than the component revision")
	}
}
