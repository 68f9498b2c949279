package e2e

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// corporate replaces the list, as a tool does that merges an atomic list by its own.
const corporate = `JSONPatch{op: "add", path: "/imagePullSecrets", value: [Object.imagePullSecrets{name: "corp"}]}`

// mutate has the API server change service accounts or secrets, those with annotations, that are created or updated in
// the namespaces with the label mutate=yes. patch is a JSONPatch in CEL. It returns what ends it.
func (s *sandbox) mutate(resource schema.GroupVersionResource, patch string) (end func()) {
	s.T.Helper()
	s.Needs(harness.Mutation)
	name := s.Name("mutate-" + resource.Resource)
	policy := api.Object("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy", "", name)
	policy.Object["spec"] = map[string]any{
		"reinvocationPolicy": "Never", "failurePolicy": "Fail",
		"matchConstraints": map[string]any{
			"namespaceSelector": map[string]any{"matchLabels": map[string]any{"mutate": s.Name("yes")}},
			"resourceRules": []any{map[string]any{
				"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE", "UPDATE"}, "resources": []any{resource.Resource},
			}},
		},
		"matchConditions": []any{map[string]any{"name": "annotated", "expression": "has(object.metadata.annotations)"}},
		"mutations": []any{map[string]any{"patchType": "JSONPatch", "jsonPatch": map[string]any{
			"expression": `[JSONPatch{op: "add", path: "/metadata/annotations/mutated", value: "yes"}, ` + patch + `]`,
		}}},
	}
	binding := api.Object("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicyBinding", "", name)
	binding.Object["spec"] = map[string]any{"policyName": name}
	_, err := s.Client.Resource(api.AdmissionPolicies).Create(s.Ctx, policy, metav1.CreateOptions{})
	harness.Must(s.T, err)
	_, err = s.Client.Resource(api.AdmissionBindings).Create(s.Ctx, binding, metav1.CreateOptions{})
	harness.Must(s.T, err)
	ns := s.Namespace("probe", "mutate="+s.Name("yes"))
	end = func() {
		s.Remove(api.AdmissionBindings, name)
		s.Remove(api.AdmissionPolicies, name)
		s.Eventually("the API server mutates no more", func() error { return s.mutated(resource, ns, false) })
	}
	s.T.Cleanup(end)
	s.Eventually("the API server mutates", func() error { return s.mutated(resource, ns, true) })
	return end
}

// mutated wants an object that is created to be mutated, or not to be.
func (s *sandbox) mutated(resource schema.GroupVersionResource, ns string, want bool) error {
	u := api.Object("v1", "ServiceAccount", ns, "probe")
	if resource == api.Secrets {
		u = api.Secret(ns, "probe", api.Credential("probe.example", "x"))
	}
	// All that the tests have taken away, or the patch is refused.
	u.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "somebody"})
	u.SetAnnotations(map[string]string{"pullsecrets/added": "x", "pullsecrets/source": "x/x"})
	u.Object["imagePullSecrets"] = []any{map[string]any{"name": "x"}}
	if resource == api.Secrets {
		delete(u.Object, "imagePullSecrets")
	}
	u, err := s.Client.Resource(resource).Namespace(ns).Create(s.Ctx, u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return err
	}
	if got := u.GetAnnotations()["mutated"] == "yes"; got != want {
		return fmt.Errorf("mutated is %v", got)
	}
	return nil
}

// paced is how many writes there may be since a moment: a try after 1 s, 2 s, 4 s and so on, and three between two of them.
func paced(since time.Time) int32 {
	return 4 * int32(1+math.Ceil(math.Log2(1+time.Since(since).Seconds())))
}

func TestAListThatAdmissionReplacesIsToldAndTriedSlowly(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns, other := s.Namespace("a", "mutate="+s.Name("yes")), s.Namespace("b")
	end := s.mutate(api.Accounts, corporate)
	var writes atomic.Int32
	began := time.Now()
	r := s.Start(harness.Counting(&writes, ns, "serviceaccounts", "default"))
	rules := strings.Replace(harness.OneRule, `"PREFIX*"`, "PREFIXa, PREFIXb", 1)
	s.Revised("Degraded", rules)
	s.WantStatus("Degraded", "Altered", "names missing from imagePullSecrets: "+s.Name("reg"), "a mutating admission policy or webhook")
	s.WantList(other, "default", "+reg")
	s.WantList(ns, "default", "corp")
	r.WantMetrics(`pullsecrets_problems{kind="ServiceAccount",reason="Altered"} 1`, `pullsecrets_write_errors_total{kind="ServiceAccount",reason="Altered"} `)
	if lines := r.Lines("references written", ns); len(lines) > 0 {
		t.Errorf("it is told as a success: %s", lines[0])
	}
	for range 30 { // somebody writes the object again and again
		s.Merge(api.Accounts, ns, "default", fmt.Sprintf(`{"metadata":{"labels":{"at":"%d"}}}`, time.Now().UnixNano()))
	}
	// The source changes, which decides the namespace again.
	s.Source("hub", api.Credential("hub.example", "two"))
	s.WantCopy(ns, "reg", api.Credential("hub.example", "two"))
	s.WantStatusNow("Degraded", "Altered")
	if n := writes.Load(); n > paced(began) {
		t.Errorf("%d writes of a list that is altered each time", n)
	}
	if n := len(r.Lines(`"level":"warn"`, "names missing", ns)); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	end()
	s.WantList(ns, "default", "corp", "+reg")
	s.WantStatus("Ready")
	s.wantNoFight(r)
}

func TestWhatAdmissionMakesOfAWrite(t *testing.T) {
	for _, c := range []struct {
		why      string
		resource schema.GroupVersionResource
		patch    string
		status   string
		words    []string
	}{
		{"it strips the ledger", api.Accounts, `JSONPatch{op: "remove", path: "/metadata/annotations/pullsecrets~1added"}`,
			"Degraded", []string{"names missing from the annotation pullsecrets/added"}},
		{"it adds a name before ours", api.Accounts, `JSONPatch{op: "add", path: "/imagePullSecrets/0", value: Object.imagePullSecrets{name: "corp"}}`, "Ready", nil},
		{"it strips our label", api.Secrets, `JSONPatch{op: "remove", path: "/metadata/labels/app.kubernetes.io~1managed-by"}`,
			"Degraded", []string{"label app.kubernetes.io/managed-by: removed"}},
		{"it strips a mark", api.Secrets, `JSONPatch{op: "remove", path: "/metadata/annotations/pullsecrets~1source"}`,
			"Degraded", []string{"annotation pullsecrets/source: removed"}},
		{"it changes the data", api.Secrets, `JSONPatch{op: "add", path: "/data/.dockerconfigjson", value: "eyJhdXRocyI6eyJodWIuZXhhbXBsZSI6eyJ1c2VybmFtZSI6IngiLCJwYXNzd29yZCI6InkifX19"}`,
			"Degraded", []string{"registry hub.example: password changed"}},
		{"it changes the type", api.Secrets, `JSONPatch{op: "add", path: "/type", value: "Opaque"}`,
			"Degraded", []string{`type: "kubernetes.io/dockerconfigjson" becomes "Opaque"`}},
		{"it adds a label", api.Secrets, `JSONPatch{op: "add", path: "/metadata/labels/team", value: "a"}`, "Ready", nil},
		{"it adds a finalizer", api.Secrets, `JSONPatch{op: "add", path: "/metadata/finalizers", value: ["example.com/hold"]}`, "Ready", nil},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := newSandbox(t)
			s.Source("hub", api.Credential("hub.example", "one"))
			ns := s.Namespace("a", "mutate="+s.Name("yes"))
			end := s.mutate(c.resource, c.patch)
			t.Cleanup(func() { s.release(ns) })
			var writes atomic.Int32
			name := "default"
			if c.resource == api.Secrets {
				name = s.Name("reg")
			}
			began := time.Now()
			r := s.Start(harness.Counting(&writes, ns, c.resource.Resource, name))
			s.Revised(c.status, strings.Replace(harness.OneRule, `"PREFIX*"`, "PREFIXa", 1))
			s.WantStatus(c.status, c.words...)
			if c.status == "Degraded" {
				s.WantStatusNow("Degraded", "Altered")
			}
			s.Source("other", api.Credential("other.example", "one"))
			s.wantQuiet(r)
			s.WantStatusNow(c.status, c.words...)
			if n := writes.Load(); n > paced(began) {
				t.Errorf("%d writes", n)
			}
			s.wantNoFight(r)
			if end(); c.resource == api.Secrets {
				s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
				s.WantStatus("Ready")
			}
		})
	}
}

// wantQuiet waits until the controller has decided each namespace again, because of one that is new.
func (s *sandbox) wantQuiet(r *harness.Running) {
	s.T.Helper()
	before := len(r.Lines(`"message":"decided"`))
	s.Namespace("more")
	s.Eventually("the controller decided again", func() error {
		if len(r.Lines(`"message":"decided"`)) == before {
			return errors.New("not yet")
		}
		return nil
	})
}
