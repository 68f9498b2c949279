package e2e

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// corporate replaces the list, as a tool does that merges an atomic list by its own.
const corporate = `JSONPatch{op: "add", path: "/imagePullSecrets", value: [Object.imagePullSecrets{name: "corp"}]}`

// mutate has the API server change service accounts or secrets, those with annotations, that are created or updated in
// the namespaces with the label mutate=yes. patch is a JSONPatch in CEL. It returns what ends it.
func (s *sandbox) mutate(resource schema.GroupVersionResource, patch string) (end func()) {
	s.t.Helper()
	name := s.name("mutate-" + resource.Resource)
	policy := object("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy", "", name)
	policy.Object["spec"] = map[string]any{
		"reinvocationPolicy": "Never", "failurePolicy": "Fail",
		"matchConstraints": map[string]any{
			"namespaceSelector": map[string]any{"matchLabels": map[string]any{"mutate": s.name("yes")}},
			"resourceRules": []any{map[string]any{
				"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE", "UPDATE"}, "resources": []any{resource.Resource},
			}},
		},
		"matchConditions": []any{map[string]any{"name": "annotated", "expression": "has(object.metadata.annotations)"}},
		"mutations": []any{map[string]any{"patchType": "JSONPatch", "jsonPatch": map[string]any{
			"expression": `[JSONPatch{op: "add", path: "/metadata/annotations/mutated", value: "yes"}, ` + patch + `]`,
		}}},
	}
	binding := object("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicyBinding", "", name)
	binding.Object["spec"] = map[string]any{"policyName": name}
	_, err := s.client.Resource(admissionPolicies).Create(s.ctx, policy, metav1.CreateOptions{})
	must(s.t, err)
	_, err = s.client.Resource(admissionBindings).Create(s.ctx, binding, metav1.CreateOptions{})
	must(s.t, err)
	ns := s.namespace("probe", "mutate="+s.name("yes"))
	end = func() {
		s.remove(admissionBindings, name)
		s.remove(admissionPolicies, name)
		s.eventually("the API server mutates no more", func() error { return s.mutated(resource, ns, false) })
	}
	s.t.Cleanup(end)
	s.eventually("the API server mutates", func() error { return s.mutated(resource, ns, true) })
	return end
}

// mutated wants an object that is created to be mutated, or not to be.
func (s *sandbox) mutated(resource schema.GroupVersionResource, ns string, want bool) error {
	u := object("v1", "ServiceAccount", ns, "probe")
	if resource == secrets {
		u = secret(ns, "probe", credential("probe.example", "x"))
	}
	// All that the tests have taken away, or the patch is refused.
	u.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "somebody"})
	u.SetAnnotations(map[string]string{"pullsecrets/added": "x", "pullsecrets/source": "x/x"})
	u.Object["imagePullSecrets"] = []any{map[string]any{"name": "x"}}
	if resource == secrets {
		delete(u.Object, "imagePullSecrets")
	}
	u, err := s.client.Resource(resource).Namespace(ns).Create(s.ctx, u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return err
	}
	if got := u.GetAnnotations()["mutated"] == "yes"; got != want {
		return fmt.Errorf("mutated is %v", got)
	}
	return nil
}

// counting has the writes of one object counted that the API server accepted.
func counting(writes *atomic.Int32, ns, resource, name string) func(*rest.Config) {
	return around(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err == nil && resp.StatusCode < http.StatusBadRequest && isWrite(r, ns, resource, name) {
			writes.Add(1)
		}
		return resp, err
	})
}

// paced is how many writes there may be since a moment: a try after 1 s, 2 s, 4 s and so on, and three between two of them.
func paced(since time.Time) int32 {
	return 4 * int32(1+math.Ceil(math.Log2(1+time.Since(since).Seconds())))
}

func TestAListThatAdmissionReplacesIsToldAndTriedSlowly(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns, other := s.namespace("a", "mutate="+s.name("yes")), s.namespace("b")
	end := s.mutate(accounts, corporate)
	var writes atomic.Int32
	began := time.Now()
	r := s.start(counting(&writes, ns, "serviceaccounts", "default"))
	rules := strings.Replace(oneRule, `"PREFIX*"`, "PREFIXa, PREFIXb", 1)
	s.revised("Degraded", rules)
	s.wantStatus("Degraded", "Altered", "names missing from imagePullSecrets: "+s.name("reg"), "a mutating admission policy or webhook")
	s.wantList(other, "default", "+reg")
	s.wantList(ns, "default", "corp")
	r.wantMetrics(`pullsecrets_problems{kind="ServiceAccount",reason="Altered"} 1`, `pullsecrets_write_errors_total{kind="ServiceAccount",reason="Altered"} `)
	if lines := r.lines("references written", ns); len(lines) > 0 {
		t.Errorf("it is told as a success: %s", lines[0])
	}
	for range 30 { // somebody writes the object again and again
		s.merge(accounts, ns, "default", fmt.Sprintf(`{"metadata":{"labels":{"at":"%d"}}}`, time.Now().UnixNano()))
	}
	// The source changes, which decides the namespace again.
	s.source("hub", credential("hub.example", "two"))
	s.wantCopy(ns, "reg", credential("hub.example", "two"))
	s.wantStatusNow("Degraded", "Altered")
	if n := writes.Load(); n > paced(began) {
		t.Errorf("%d writes of a list that is altered each time", n)
	}
	if n := len(r.lines(`"level":"warn"`, "names missing", ns)); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	end()
	s.wantList(ns, "default", "corp", "+reg")
	s.wantStatus("Ready")
	s.wantNoFight(r)
}

// wantNoFight wants nothing to have counted as contention.
func (s *sandbox) wantNoFight(r *running) {
	s.t.Helper()
	if text := r.metrics(); strings.Contains(text, "pullsecrets_fights_total{") || strings.Contains(text, `reason="Contested"`) {
		s.t.Errorf("something counts as contended:\n%s", ours(text))
	}
	if lines := r.lines("Contested"); len(lines) > 0 {
		s.t.Errorf("something is told as contended: %s", lines[0])
	}
}

func TestWhatAdmissionMakesOfAWrite(t *testing.T) {
	for _, c := range []struct {
		why      string
		resource schema.GroupVersionResource
		patch    string
		status   string
		words    []string
	}{
		{"it strips the ledger", accounts, `JSONPatch{op: "remove", path: "/metadata/annotations/pullsecrets~1added"}`,
			"Degraded", []string{"names missing from the annotation pullsecrets/added"}},
		{"it adds a name before ours", accounts, `JSONPatch{op: "add", path: "/imagePullSecrets/0", value: Object.imagePullSecrets{name: "corp"}}`, "Ready", nil},
		{"it strips our label", secrets, `JSONPatch{op: "remove", path: "/metadata/labels/app.kubernetes.io~1managed-by"}`,
			"Degraded", []string{"label app.kubernetes.io/managed-by: removed"}},
		{"it strips a mark", secrets, `JSONPatch{op: "remove", path: "/metadata/annotations/pullsecrets~1source"}`,
			"Degraded", []string{"annotation pullsecrets/source: removed"}},
		{"it changes the data", secrets, `JSONPatch{op: "add", path: "/data/.dockerconfigjson", value: "eyJhdXRocyI6eyJodWIuZXhhbXBsZSI6eyJ1c2VybmFtZSI6IngiLCJwYXNzd29yZCI6InkifX19"}`,
			"Degraded", []string{"registry hub.example: password changed"}},
		{"it changes the type", secrets, `JSONPatch{op: "add", path: "/type", value: "Opaque"}`,
			"Degraded", []string{`type: "kubernetes.io/dockerconfigjson" becomes "Opaque"`}},
		{"it adds a label", secrets, `JSONPatch{op: "add", path: "/metadata/labels/team", value: "a"}`, "Ready", nil},
		{"it adds a finalizer", secrets, `JSONPatch{op: "add", path: "/metadata/finalizers", value: ["example.com/hold"]}`, "Ready", nil},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := newSandbox(t)
			s.source("hub", credential("hub.example", "one"))
			ns := s.namespace("a", "mutate="+s.name("yes"))
			end := s.mutate(c.resource, c.patch)
			t.Cleanup(func() { s.release(ns) })
			var writes atomic.Int32
			name := "default"
			if c.resource == secrets {
				name = s.name("reg")
			}
			began := time.Now()
			r := s.start(counting(&writes, ns, c.resource.Resource, name))
			s.revised(c.status, strings.Replace(oneRule, `"PREFIX*"`, "PREFIXa", 1))
			s.wantStatus(c.status, c.words...)
			if c.status == "Degraded" {
				s.wantStatusNow("Degraded", "Altered")
			}
			s.source("other", credential("other.example", "one"))
			s.wantQuiet(r)
			s.wantStatusNow(c.status, c.words...)
			if n := writes.Load(); n > paced(began) {
				t.Errorf("%d writes", n)
			}
			s.wantNoFight(r)
			if end(); c.resource == secrets {
				s.wantCopy(ns, "reg", credential("hub.example", "one"))
				s.wantStatus("Ready")
			}
		})
	}
}

// wantQuiet waits until the controller has decided each namespace again, because of one that is new.
func (s *sandbox) wantQuiet(r *running) {
	s.t.Helper()
	before := len(r.lines(`"message":"decided"`))
	s.namespace("more")
	s.eventually("the controller decided again", func() error {
		if len(r.lines(`"message":"decided"`)) == before {
			return errors.New("not yet")
		}
		return nil
	})
}

// release takes the finalizers off all secrets, so that the namespace can go.
func (s *sandbox) release(ns string) {
	s.t.Helper()
	list, err := s.client.Resource(secrets).Namespace(ns).List(s.ctx, metav1.ListOptions{})
	must(s.t, err)
	for _, u := range list.Items {
		if len(u.GetFinalizers()) > 0 {
			s.merge(secrets, ns, u.GetName(), `{"metadata":{"finalizers":null}}`)
		}
	}
}

// TestARotationReachesACopyThatIsBeingDeleted has another tool's finalizer hold a copy that somebody deleted.
func TestARotationReachesACopyThatIsBeingDeleted(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.start()
	s.revised("Ready", oneRule)
	held := s.hold(ns)
	s.source("hub", credential("hub.example", "two"))
	if got := s.wantCopy(ns, "reg", credential("hub.example", "two")); got.GetUID() != held.GetUID() || got.GetDeletionTimestamp() == nil {
		t.Error("it is another object, or not being deleted")
	}
	s.wantStatus("Ready")
	s.release(ns)
	s.eventually("a new one is made", func() error {
		if got := s.wantCopy(ns, "reg", credential("hub.example", "two")); got.GetUID() == held.GetUID() {
			return errors.New("not yet")
		}
		return nil
	})
	s.wantStatus("Ready")
}

// hold deletes the copy, which a finalizer holds.
func (s *sandbox) hold(ns string) (held *unstructured.Unstructured) {
	s.t.Helper()
	u := s.merge(secrets, ns, s.name("reg"), `{"metadata":{"finalizers":["example.com/hold"]}}`)
	s.delete(secrets, ns, s.name("reg"))
	s.t.Cleanup(func() { s.release(ns) })
	return u
}

func TestACopyThatCannotBeReplacedWhileItIsBeingDeletedIsTold(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.start()
	s.revised("Ready", oneRule)
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	s.merge(secrets, ns, s.name("reg"), `{"immutable":true}`)
	s.hold(ns)
	s.source("hub", credential("hub.example", "two"))
	s.wantStatus("Degraded", "DeletionPending", "registry hub.example: password changed")
	s.wantList(ns, "default", "+reg")
	s.release(ns)
	s.wantCopy(ns, "reg", credential("hub.example", "two"))
	s.wantStatus("Ready")
}

func TestASecretOfSomebodyElseThatIsBeingDeletedIsTold(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.create(secrets, secret(ns, s.name("reg"), credential("theirs.example", "x")))
	held := s.hold(ns)
	s.start()
	s.revised("Degraded", forced)
	s.wantStatus("Degraded", "DeletionPending")
	s.wantList(ns, "default")
	if got := s.get(secrets, ns, s.name("reg")); got.GetUID() != held.GetUID() || contentOf(got) != credential("theirs.example", "x") {
		t.Error("it was taken over on its way out")
	}
	s.release(ns)
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	s.wantList(ns, "default", "+reg")
	s.wantStatus("Ready")
}

func TestAnAccountThatIsBeingDeletedGetsItsNames(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.account(ns, "app")
	s.merge(accounts, ns, "app", `{"metadata":{"finalizers":["example.com/hold"]}}`)
	s.delete(accounts, ns, "app")
	s.start()
	s.revised("Ready", oneRule+forApp)
	s.wantList(ns, "app", "+reg")
	s.merge(accounts, ns, "app", `{"metadata":{"finalizers":null}}`)
	s.wantStatus("Ready")
}

// TestAnAccountThatIsMadeAnewEachRunIsNoFight deletes and makes an account as a Helm hook does.
func TestAnAccountThatIsMadeAnewEachRunIsNoFight(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	r := s.start()
	s.revised("Ready", oneRule+"  serviceAccounts: {include: [default, migrate]}\n")
	const runs = 8
	for range runs {
		s.account(ns, "migrate")
		s.wantList(ns, "migrate", "+reg")
		s.delete(accounts, ns, "migrate")
	}
	s.account(ns, "migrate")
	s.wantList(ns, "migrate", "+reg")
	s.wantStatus("Ready")
	s.wantNoFight(r)
	text := r.metrics()
	if want := fmt.Sprintf(`pullsecrets_actions_total{kind="ServiceAccount",reason="NamesMissing",rule="hub",verb="set-list"} %d`, runs+2); !strings.Contains(text, want) {
		t.Errorf("no %s in:\n%s", want, ours(text))
	}
	if strings.Contains(text, `pullsecrets_reconciles_total{result="waiting"}`) {
		t.Error("something had to wait")
	}
}
