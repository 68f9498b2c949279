package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// TestEveryManifestBuildsAndIsAccepted builds with the real kustomize and has the real API server judge the result.
func TestEveryManifestBuildsAndIsAccepted(t *testing.T) {
	s := newSandbox(t)
	for _, folder := range []string{"kustomize/base", "examples/first-try", "examples/own-policy"} {
		t.Run(folder, func(t *testing.T) {
			built, err := exec.Command("kubectl", "kustomize", "../../"+folder).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, built)
			}
			cmd := exec.Command("kubectl", "--server", s.config.Host, "--token", s.config.BearerToken,
				"--certificate-authority", s.config.CAFile, "apply", "--server-side", "--dry-run=server", "-f", "-")
			cmd.Stdin = strings.NewReader(string(built))
			// A dry run makes no namespaces, so what would be in a new one is not judged further than that.
			if out, err := cmd.CombinedOutput(); err != nil && !onlyMissingNamespaces(string(out)) {
				t.Errorf("%v\n%s", err, out)
			}
			checkPolicies(t, string(built))
		})
	}
}

func onlyMissingNamespaces(out string) bool {
	for line := range strings.SplitSeq(strings.TrimSpace(out), "\n") {
		ok := strings.HasSuffix(line, "serverside-applied (server dry run)") ||
			strings.Contains(line, "namespaces \"") && strings.HasSuffix(line, "not found")
		if !ok {
			return false
		}
	}
	return true
}

// checkPolicies parses the policies of a manifest, and holds the roles that come with them against the secrets that
// they name.
func checkPolicies(t *testing.T, manifest string) {
	t.Helper()
	roles := map[string][]string{}
	var p *policy.Policy
	for doc := range strings.SplitSeq(manifest, "\n---\n") {
		u := &unstructured.Unstructured{}
		must(t, yaml.Unmarshal([]byte(doc), &u.Object))
		if u.GetName() == "pullsecrets-policy" {
			data, _, _ := unstructured.NestedStringMap(u.Object, "data")
			var problems policy.Problems
			if p, problems = policy.Parse(data, policy.Options{Namespace: home}); len(problems) > 0 {
				t.Errorf("the policy has problems:\n%v", problems)
			}
		}
		rules, _, _ := unstructured.NestedSlice(u.Object, "rules")
		for _, r := range rules {
			rule := r.(map[string]any)
			resources, _, _ := unstructured.NestedStringSlice(rule, "resources")
			if len(resources) == 1 && resources[0] == "secrets" {
				roles[u.GetKind()], _, _ = unstructured.NestedStringSlice(rule, "resourceNames")
			}
		}
	}
	if p == nil {
		return
	}
	var sources []string
	for _, key := range p.Sources() {
		sources = append(sources, key.Name)
	}
	if got, want := strings.Join(roles["ClusterRole"], " "), strings.Join(p.CopyNames(), " "); got != want {
		t.Errorf("the ClusterRole names %q, the policy's copies are %q", got, want)
	}
	if got, want := strings.Join(roles["Role"], " "), strings.Join(sources, " "); got != want {
		t.Errorf("the Role names %q, the policy's sources are %q", got, want)
	}
}
