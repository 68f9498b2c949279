package helm

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// TestHelmTakesOverWhatKubectlApplied runs the command of the chart's README, and upgrades what came of it.
func TestHelmTakesOverWhatKubectlApplied(t *testing.T) {
	_, section, _ := strings.Cut(read(t, chartFolder+"/README.md"), "\n## Coming from kubectl or kustomize\n")
	_, section, _ = strings.Cut(section, "```sh\n")
	install, _, ok := strings.Cut(section, "```")
	if !ok {
		t.Fatal("the README has no such command")
	}
	for helm, more := range map[string]string{"helm.sh/helm/v3/cmd/helm": "", "helm.sh/helm/v4/cmd/helm": " --force-conflicts"} {
		t.Run(strings.Split(helm, "/")[2], func(t *testing.T) {
			m := newMigrating(t, helm)
			m.withdraw("regcred", "pullsecrets")
			root, err := filepath.Abs("../..")
			harness.Must(t, err)
			relative, err := filepath.Rel(m.folder, root)
			harness.Must(t, err)
			m.file("kustomization.yaml", "resources: ["+relative+"/kustomize/base]\n")
			m.shell("kubectl apply -k .")
			before := m.Get(deployments, "pullsecrets", "pullsecrets")
			m.file("values.yaml", "policy: {rules: []}\n")
			m.shell(m.here(strings.TrimSpace(install)) + more)
			m.shell("helm upgrade pullsecrets -n pullsecrets --reuse-values --set ha.enabled=true" + more + " " + root + "/charts/pullsecrets")
			after := m.Get(deployments, "pullsecrets", "pullsecrets")
			if before.GetUID() != after.GetUID() {
				t.Error("the Deployment was made anew")
			}
			if replicas, _, _ := unstructured.NestedInt64(after.Object, "spec", "replicas"); replicas != 2 {
				t.Errorf("after the upgrade there are %d replicas", replicas)
			}
			document, _, _ := unstructured.NestedString(m.Get(api.ConfigMaps, "pullsecrets", "pullsecrets-policy").Object, "data", "policy.yaml")
			if diff := cmp.Diff([]any{}, policyOf(t, document)["rules"]); diff != "" {
				t.Errorf("the policy (-want +got):\n%s", diff)
			}
			m.shell("helm uninstall pullsecrets -n pullsecrets")
			for id := range m.snapshot() {
				if kind, _, _ := strings.Cut(id, " "); strings.HasSuffix(id, " pullsecrets") && kind != "Namespace" {
					t.Errorf("uninstall leaves %s", id)
				}
			}
		})
	}
}
