package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// TestWideRolesDifferInTheNamesOnly holds that the component takes the names of secrets away and nothing else.
func TestWideRolesDifferInTheNamesOnly(t *testing.T) {
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skip("needs kubectl: run make test")
	}
	var removed []string
	diff := cmp.Diff(strings.Split(harness.Kustomize(t, "kustomize/base"), "\n"), strings.Split(harness.WithComponent(t, "wide-rbac"), "\n"))
	for line := range strings.SplitSeq(diff, "\n") {
		change := strings.TrimSpace(strings.ReplaceAll(line, "\u00a0", " "))
		if strings.HasPrefix(change, "+") {
			t.Errorf("it adds %s", change)
		}
		if strings.HasPrefix(change, "-") {
			removed = append(removed, strings.Trim(change, "-+ \t\","))
		}
	}
	if got := strings.Join(removed, " "); got != "resourceNames: dockerhub ghcr resourceNames: ghcr regcred" {
		t.Errorf("it removes %q", got)
	}
}

// TestThePodIsRestricted has the API server's own Pod Security admission judge the pod of each manifest at the level
// "restricted", and makes sure that it judges at all.
func TestThePodIsRestricted(t *testing.T) {
	s := newSandbox(t)
	ns := s.Namespace("restricted", "pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/enforce-version=latest")
	pods := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	try := func(spec map[string]any) error {
		pod := api.Object("v1", "Pod", ns, "pod")
		pod.Object["spec"] = runtime.DeepCopyJSON(spec)
		delete(pod.Object["spec"].(map[string]any), "serviceAccountName") // it is of the other namespace
		_, err := s.Client.Resource(pods).Namespace(ns).Create(s.Ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	found := 0
	for _, u := range harness.Objects(t, harness.WithComponent(t, "evict")) {
		spec, ok, _ := unstructured.NestedMap(u.Object, "spec", "template", "spec")
		if !ok {
			continue
		}
		found++
		if err := try(spec); err != nil {
			t.Errorf("%s %s: %v", u.GetKind(), u.GetName(), err)
		}
		for _, c := range spec["containers"].([]any) {
			container := c.(map[string]any)
			if readOnly, _, _ := unstructured.NestedBool(container, "securityContext", "readOnlyRootFilesystem"); !readOnly {
				t.Errorf("%s: the root file system can be written", u.GetName()) // Pod Security does not ask for it
			}
			harness.Must(t, unstructured.SetNestedField(container, true, "securityContext", "allowPrivilegeEscalation"))
		}
		if err := try(spec); err == nil || !strings.Contains(err.Error(), "allowPrivilegeEscalation") {
			t.Errorf("%s with privilege escalation: %v; Pod Security does not judge here", u.GetName(), err)
		}
	}
	if found != 2 {
		t.Errorf("the base has %d pods with that of evict", found)
	}
}

// checkPolicies parses the policies of a manifest, and holds the roles that come with them against the secrets that
// they name.
func checkPolicies(t *testing.T, manifest string) {
	t.Helper()
	roles := map[string][]string{}
	var p *policy.Policy
	for _, u := range harness.Objects(t, manifest) {
		if u.GetName() == "pullsecrets-policy" {
			data, _, _ := unstructured.NestedStringMap(u.Object, "data")
			var problems policy.Problems
			if p, problems = policy.Parse(data, policy.Options{Namespace: api.Home}); len(problems) > 0 {
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
	if p == nil || len(roles) == 0 {
		return // they are delivered apart
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
