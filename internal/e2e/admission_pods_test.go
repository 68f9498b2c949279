package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

const podRule = `
- {name: pods, attach: pods, secrets: [{source: {name: hub}, name: PREFIXreg}],
   namespaces: {include: ["PREFIX*"]}, serviceAccounts: {include: [default, "ci-*"]}}
`

// TestAPodIsBornWithItsNames creates pods of all kinds while no controller runs.
func TestAPodIsBornWithItsNames(t *testing.T) {
	s := newSandbox(t)
	s.Component()
	s.Promise(podRule)
	ns, out := s.Namespace("a"), s.Namespace("out")
	s.Merge(api.Namespaces, "", out, `{"metadata":{"annotations":{"pullsecrets/exclude":"true"}}}`)
	s.WantPod(out, "default", nil) // the API server takes the namespace from a cache
	listed := api.Object("v1", "ServiceAccount", ns, "ci-1")
	listed.SetAnnotations(map[string]string{"pullsecrets/exclude": "true"})
	listed.Object["imagePullSecrets"] = entries([]string{"accounts"})
	s.Create(api.Accounts, listed)
	s.Account(ns, "other")
	ours := s.Name("reg")
	for _, c := range []struct {
		why, namespace, account string
		list                    []string
		annotations             map[string]string
		want                    []string
	}{
		{why: "nothing of its own", namespace: ns, want: []string{ours}},
		{why: "a list of its own", namespace: ns, list: []string{"z", "a"}, want: []string{"z", "a", ours}},
		{why: "an entry without a name", namespace: ns, list: []string{"z", "", "a"}, want: []string{"z", "", "a", ours}},
		{why: "the name itself, at its place", namespace: ns, list: []string{"z", ours, "a"}, want: []string{"z", ours, "a"}},
		{why: "its account's list, although the account is opted out", namespace: ns, account: "ci-1", want: []string{"accounts", ours}},
		{why: "an account that the rule does not match", namespace: ns, account: "other"},
		{why: "a pod that is opted out", namespace: ns, annotations: map[string]string{"pullsecrets/exclude": "true"}},
		{why: "a pod that is not, because only true counts", namespace: ns,
			annotations: map[string]string{"pullsecrets/exclude": "yes"}, want: []string{ours}},
		{why: "a namespace that is opted out", namespace: out, list: []string{"z"}, want: []string{"z"}},
		{why: "a namespace that the rule does not match", namespace: api.Home},
	} {
		pod := podWith(c.namespace, c.account, c.list...)
		pod.SetAnnotations(c.annotations)
		if got, err := s.bornPod(pod); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q (%v)", c.why, got, c.want, err)
		}
	}
	if got := s.Born(ns, "ci-2"); len(got) > 0 {
		t.Errorf("a rule that attaches to pods gives an account %v", got)
	}
}

// TestMirrorPodsAreLeftAlone because the API server refuses a mirror pod that refers to secrets.
func TestMirrorPodsAreLeftAlone(t *testing.T) {
	s := newSandbox(t)
	s.Component()
	s.Promise(strings.Replace(podRule, "[default,", `["*",`, 1))
	pod := podWith(s.Namespace("a"), "")
	harness.Must(t, unstructured.SetNestedField(pod.Object, "node", "spec", "nodeName"))
	if got, err := s.bornPod(pod); err != nil || len(got) != 1 {
		t.Errorf("a pod that is bound to a node gets %v (%v)", got, err)
	}
	pod.SetAnnotations(map[string]string{mirror: "hash"})
	if got, err := s.bornPod(pod); err != nil || len(got) > 0 {
		t.Errorf("a mirror pod gets %v (%v)", got, err)
	}
	harness.Must(t, unstructured.SetNestedSlice(pod.Object, entries([]string{"theirs"}), "spec", "imagePullSecrets"))
	if got, err := s.bornPod(pod); err == nil {
		t.Errorf("a mirror pod with a list is taken, with %v", got)
	}
}

// TestPodsShowNoDifference applies a bare pod and a Deployment, whose pods are as its template says.
func TestPodsShowNoDifference(t *testing.T) {
	s := newSandbox(t)
	s.Component()
	s.Promise(podRule)
	for i, own := range []string{"", "imagePullSecrets: [{name: theirs}], "} {
		for j, mode := range [][]string{nil, {"--server-side"}} {
			ns := s.Namespace(fmt.Sprintf("n%d-%d", i, j))
			manifest := podAndDeployment(ns, "{"+own+"containers: [{name: c, image: hub.example/x}]}")
			s.Eventually("it is applied", func() error { // a pod is refused until its account is there
				out, err := s.Kubectl(manifest, append([]string{"apply", "-f", "-"}, mode...)...)
				if err != nil {
					return fmt.Errorf("%w: %s", err, out)
				}
				return nil
			})
			s.wantUnmoved(ns, manifest, mode)
			s.wantNoDiff(manifest, mode)
			want := []string{s.Name("reg")}
			if own != "" {
				want = []string{"theirs", s.Name("reg")}
			}
			if got := podList(s.Get(api.Pods, ns, "bare")); !slices.Equal(got, want) {
				t.Errorf("the pod has %v, want %v", got, want)
			}
		}
	}
}

func podAndDeployment(ns, spec string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: bare, namespace: %[1]s}
spec: %[2]s
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: %[1]s}
spec: {selector: {matchLabels: {app: d}}, template: {metadata: {labels: {app: d}}, spec: %[2]s}}
`, ns, spec)
}

// wantNoDiff has kubectl compare on its own, and by the API server. What was applied without --server-side it cannot
// compare by the API server: it shows how it would write its own annotation.
func (s *sandbox) wantNoDiff(manifest string, mode []string) {
	s.T.Helper()
	diffs := [][]string{{"diff", "-f", "-"}}
	if mode != nil {
		diffs = append(diffs, []string{"diff", "--server-side", "-f", "-"})
	}
	for _, diff := range diffs {
		if out, err := s.Kubectl(manifest, diff...); err != nil || out != "" {
			s.T.Errorf("applied by %v, kubectl %v shows (%v):\n%s", mode, diff, err, out)
		}
	}
}

// wantUnmoved applies a bare pod and a Deployment again and again.
func (s *sandbox) wantUnmoved(ns, manifest string, mode []string) {
	s.T.Helper()
	deployments := api.Pods
	deployments.Group, deployments.Resource = "apps", "deployments"
	pod, deployment := s.Get(api.Pods, ns, "bare"), s.Get(deployments, ns, "d")
	for range 3 {
		if out, err := s.Kubectl(manifest, append([]string{"apply", "-f", "-"}, mode...)...); err != nil {
			s.T.Fatal(err, out)
		}
	}
	for _, before := range []*unstructured.Unstructured{pod, deployment} {
		resource := api.Pods
		if before.GetKind() == "Deployment" {
			resource = deployments
		}
		if after := s.Get(resource, ns, before.GetName()); after.GetResourceVersion() != before.GetResourceVersion() {
			s.T.Errorf("%v: %s moved: %s", mode, before.GetKind(), cmp.Diff(before.Object, after.Object))
		}
	}
}

// podWith is a pod under an account, with a list of its own.
func podWith(ns, account string, list ...string) *unstructured.Unstructured {
	pod := api.Object("v1", "Pod", ns, "new")
	spec := map[string]any{"containers": []any{map[string]any{"name": "c", "image": "hub.example/x"}}}
	if account != "" {
		spec["serviceAccountName"] = account
	}
	if len(list) > 0 {
		spec["imagePullSecrets"] = entries(list)
	}
	pod.Object["spec"] = spec
	return pod
}

// entries are those of a list of pull secrets. A name of "" is an entry without one.
func entries(list []string) []any {
	out := []any{}
	for _, name := range list {
		entry := map[string]any{}
		if name != "" {
			entry["name"] = name
		}
		out = append(out, entry)
	}
	return out
}

// bornPod returns the list that a new pod gets.
func (s *sandbox) bornPod(pod *unstructured.Unstructured) ([]string, error) {
	u, err := s.createPod(pod)
	if err != nil {
		return nil, err
	}
	return podList(u), nil
}

func podList(pod *unstructured.Unstructured) (names []string) {
	list, _, _ := unstructured.NestedSlice(pod.Object, "spec", "imagePullSecrets")
	for _, entry := range list {
		name, _ := entry.(map[string]any)["name"].(string)
		names = append(names, name)
	}
	return names
}
