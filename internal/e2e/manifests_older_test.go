package e2e

import (
	"os/exec"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// Versions of Kubernetes that the manifests are for, as docs/install.md says.
const (
	oldest        = "1.30" // the guard, a ValidatingAdmissionPolicy
	withAdmission = "1.36" // the component admission, a MutatingAdmissionPolicy
)

// TestSinceWhenTheKindsExist holds that a manifest has no kind that came after the Kubernetes it is for: a tool that
// applies all or nothing fails on the first one that the API server does not know.
func TestSinceWhenTheKindsExist(t *testing.T) {
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skip("needs kubectl: run make test")
	}
	for _, folder := range harness.Kustomizations(t) {
		want := oldest
		switch folder {
		case "kustomize/components/admission", "kustomize/overlays/production", "kustomize/overlays/pods",
			"examples/argocd/pullsecrets", "examples/flux/pullsecrets/controller",
			"examples/clusters/common", "examples/clusters/berlin", "examples/clusters/tokyo":
			want = withAdmission
		}
		needs := version.MustParseGeneric("1.0")
		judged := 0
		for name, doc := range harness.Documents(t, harness.BuiltFrom(t, folder)) {
			if v := introduced(t, doc); v != nil {
				judged++
				if needs.LessThan(v) {
					needs = v
				}
				if version.MustParseGeneric(want).LessThan(v) {
					t.Errorf("%s: %s came with %s, later than %s", folder, name, v, want)
				}
			}
		}
		if judged == 0 {
			t.Errorf("%s: no kind was judged", folder)
		}
		if want == withAdmission && needs.String() != withAdmission {
			t.Errorf("%s needs only %s: say so in this test and in docs/install.md", folder, needs)
		}
	}
}

// introduced is the version of Kubernetes that brought an object's kind, in this version of its group; nil if it is no
// kind of Kubernetes itself.
func introduced(t *testing.T, doc string) *version.Version {
	t.Helper()
	u := &unstructured.Unstructured{}
	harness.Must(t, yaml.Unmarshal([]byte(doc), &u.Object))
	typed, err := scheme.Scheme.New(u.GroupVersionKind())
	if err != nil {
		return nil
	}
	lifecycle, ok := typed.(interface{ APILifecycleIntroduced() (major, minor int) })
	if !ok {
		t.Fatalf("%s does not say since when it exists", u.GroupVersionKind())
	}
	major, minor := lifecycle.APILifecycleIntroduced()
	return version.MajorMinor(uint(major), uint(minor))
}

// TestOnAnOlderKubernetes applies what is shipped for clusters without mutating admission policies to one, and runs the
// controller there with its roles and its guard.
func TestOnAnOlderKubernetes(t *testing.T) {
	s := newSandbox(t)
	s.NeedsOlder(harness.Mutation)
	s.ApplyUntilEnd(harness.Kustomize(t, "kustomize/overlays/production-before-1.36"))
	out, err := s.Kubectl(harness.Kustomize(t, "kustomize/overlays/production"), "apply", "--server-side", "--dry-run=server", "-f", "-")
	if err == nil || !strings.Contains(out, `no matches for kind "MutatingAdmissionPolicy"`) {
		t.Errorf("overlays/production is applied here: %v\n%s", err, out)
	}

	ns := s.Namespace("team")
	s.Source("hub", api.Credential("registry.example.com", "s3cret"))
	s.Grant(harness.OneRule)
	s.Policy(harness.OneRule)
	s.Start(harness.WithToken(s.Token()))
	s.WantStatus("Ready")
	s.WantList(ns, "default", s.Name("reg"))
	s.WantCopy(ns, "reg", api.Credential("registry.example.com", "s3cret"))

	opaque := "apiVersion: v1\nkind: Secret\nmetadata: {name: " + s.Name("reg") + ", namespace: kube-system}\ntype: Opaque\n"
	out, err = s.Kubectl(opaque, "apply", "--server-side", "--dry-run=server", "-f", "-", "--as=system:serviceaccount:pullsecrets:pullsecrets")
	if err == nil || !strings.Contains(out, "pullsecrets-guard") {
		t.Errorf("the guard does not hold here: %v\n%s", err, out)
	}
}

// TestAdmissionOnAnOlderKubernetes starts with -admission on an API server that has no such policies, first without the
// resource definition of the parameters, and then with it, as somebody leaves it whose tool stopped at the next kind.
func TestAdmissionOnAnOlderKubernetes(t *testing.T) {
	s := newSandbox(t)
	s.NeedsOlder(harness.Mutation)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Loop("-admission", "-health-addr=", "-metrics-addr=")
	s.Revised("Degraded", podsRule)
	s.WantStatus("Degraded", "AdmissionAbsent", "needs Kubernetes 1.36", "attach: pods has no effect in the rules hub")
	s.WantList(ns, "default", "+reg")
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))

	for _, u := range harness.Objects(t, harness.Kustomize(t, "kustomize/components/admission")) {
		if u.GetKind() == "CustomResourceDefinition" {
			text, err := yaml.Marshal(u.Object)
			harness.Must(t, err)
			s.Apply(string(text))
			s.untilServed(u.GetName())
		}
	}
	s.WantStatus("Degraded", "AdmissionAbsent", "does not know MutatingAdmissionPolicy", "attach: pods has no effect in the rules hub")
	s.WantList(s.Namespace("b"), "default", "+reg")
	list, err := s.Client.Resource(api.AdmissionRules).Namespace(api.Home).List(s.Ctx, metav1.ListOptions{})
	if harness.Must(t, err); len(list.Items) > 0 {
		t.Errorf("it wrote parameters that nothing acts on: %v", list.Items)
	}
}
