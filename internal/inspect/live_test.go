package inspect

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// live is an API server that has objects, and answers get and list alone.
type live struct {
	dynamic.Interface
	objects []*unstructured.Unstructured
	refuse  func(verb, resource, name string) error
	asked   []string
}

func (l *live) Resource(of schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	return reading{live: l, of: of}
}

// reading is a resource, in a namespace or in all.
type reading struct {
	dynamic.ResourceInterface
	live      *live
	of        schema.GroupVersionResource
	namespace string
}

func (r reading) Namespace(namespace string) dynamic.ResourceInterface {
	r.namespace = namespace
	return r
}

func (r reading) matching(verb, name string) (found []unstructured.Unstructured, err error) {
	r.live.asked = append(r.live.asked, verb+" "+r.of.Resource+" "+r.namespace+"/"+name)
	if r.live.refuse != nil {
		err = r.live.refuse(verb, r.of.Resource, name)
	}
	for _, u := range r.live.objects {
		if u.GetKind() == dumpKinds[r.of] && (r.namespace == "" || r.namespace == u.GetNamespace()) && (name == "" || name == u.GetName()) {
			found = append(found, *u)
		}
	}
	return found, err
}

func (r reading) List(_ context.Context, options metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	found, err := r.matching("list", strings.TrimPrefix(options.FieldSelector, "metadata.name="))
	if err != nil {
		return nil, err
	}
	return &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{"resourceVersion": "1"}}, Items: found}, nil
}

func (r reading) Get(_ context.Context, name string, _ metav1.GetOptions, _ ...string) (*unstructured.Unstructured, error) {
	found, err := r.matching("get", name)
	if err == nil && len(found) == 0 {
		err = apierrors.NewNotFound(r.of.GroupResource(), name)
	}
	if err != nil {
		return nil, err
	}
	return &found[0], nil
}

var (
	livePlace = Place{Namespace: "pullsecrets", PolicyName: "the-policy", StatusName: "the-status"}
	hubPolicy = map[string]string{"policy.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- name: hub\n  secrets: [{source: {name: hub}, name: reg}]\n"}
	nothing   = map[string]string{"policy.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\n"}
)

// credentials are type and data of a secret.
var credentials = map[string]any{
	"type": "kubernetes.io/dockerconfigjson",
	"data": map[string]any{".dockerconfigjson": "eyJhdXRocyI6eyJodWIuZXhhbXBsZSI6eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InAifX19"},
}

// ourCopy is a copy that we made for a namespace.
func ourCopy(namespace, name string) *unstructured.Unstructured {
	u := explained("Secret", namespace, name, credentials)
	u.SetLabels(map[string]string{cluster.LabelManagedBy: cluster.FieldManager})
	u.SetAnnotations(map[string]string{
		cluster.AnnotationRule: "hub", cluster.AnnotationSource: "pullsecrets/hub", cluster.AnnotationFor: "pullsecrets/" + namespace,
	})
	return u
}

// teams is a cluster with a source and some namespaces, of which the first n have their copy.
func teams(namespaces, n int, more ...*unstructured.Unstructured) *live {
	l := &live{objects: append(more, explained("Namespace", "", "pullsecrets", nil), explained("Secret", "pullsecrets", "hub", credentials))}
	for i := range namespaces {
		name := fmt.Sprintf("team-%02d", i)
		account := explained("ServiceAccount", name, "default", nil)
		account.SetCreationTimestamp(metav1.NewTime(time.Unix(1000, 0)))
		l.objects = append(l.objects, explained("Namespace", "", name, nil), account)
		if i < n {
			l.objects = append(l.objects, ourCopy(name, "reg"))
		}
	}
	return l
}

// statusMap is a status ConfigMap.
func statusMap(names string, record status.Record) *unstructured.Unstructured {
	text, _ := record.Encode()
	packed, _ := status.PackPolicy(hubPolicy)
	u := explained("ConfigMap", "pullsecrets", "the-status", map[string]any{
		"data": map[string]any{status.KeyNames: names, status.KeyRecord: text},
	})
	u.Object["binaryData"] = map[string]any{status.KeyPolicy: base64.StdEncoding.EncodeToString(packed)}
	return u
}

func policyMap(documents, annotations map[string]string) *unstructured.Unstructured {
	data := map[string]any{}
	for key, text := range documents {
		data[key] = text
	}
	u := explained("ConfigMap", "pullsecrets", "the-policy", map[string]any{"data": data})
	u.SetAnnotations(annotations)
	return u
}

func previewed(t *testing.T, l *live, documents map[string]string) (*Preview, error) {
	t.Helper()
	p, problems := policy.Parse(documents, policy.Options{Namespace: "pullsecrets"})
	if p == nil {
		t.Fatal(problems)
	}
	return PreviewCluster(t.Context(), l, livePlace, documents, p, 50, nil)
}

// decisions are what a preview would write, and what it leaves alone and why, but for what is in sync.
func decisions(v *Preview, namespace string) (out []string) {
	for _, p := range v.Plans {
		for _, a := range p.Actions {
			if p.Namespace == namespace && a.Reason != plan.InSync {
				out = append(out, fmt.Sprintf("%s %s %s: %s", a.Verb, a.Kind, a.Name, a.Reason))
			}
		}
	}
	return out
}

func forbids(resource, name string) func(string, string, string) error {
	return func(_, of, named string) error {
		if of == resource && (name == "" || name == named) {
			return apierrors.NewForbidden(schema.GroupResource{Resource: of}, named, nil)
		}
		return nil
	}
}

func TestAPreviewNotesWhatIsForbidden(t *testing.T) {
	for _, c := range []struct {
		why    string
		refuse func(verb, resource, name string) error
		want   []string
	}{
		{"nothing is", nil, []string{"set-list ServiceAccount default: NamesMissing", "create Secret reg: Missing"}},
		{"the status and the policy ConfigMap", forbids("configmaps", ""), []string{"set-list ServiceAccount default: NamesMissing", "create Secret reg: Missing"}},
		{"the source", forbids("secrets", "hub"), []string{"none Secret reg: SourceForbidden"}},
		{"the copies", forbids("secrets", "reg"), []string{"none Secret reg: CopyForbidden"}},
		{"the accounts", forbids("serviceaccounts", ""), []string{"create Secret reg: Missing"}},
	} {
		l := teams(1, 0)
		l.refuse = c.refuse
		v, err := previewed(t, l, hubPolicy)
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		if got := decisions(v, "team-00"); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(c.want))) {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}

func TestAListThatFailsIsNoEmptyCluster(t *testing.T) {
	for _, resource := range []string{"namespaces", "serviceaccounts", "secrets", "configmaps"} {
		l := teams(1, 1)
		l.refuse = func(_, of, _ string) error {
			if of == resource {
				return errors.New("no answer")
			}
			return nil
		}
		if v, err := previewed(t, l, hubPolicy); err == nil {
			t.Errorf("%s: %d plans", resource, len(v.Plans))
		}
	}
	l := teams(1, 1)
	l.refuse = forbids("namespaces", "")
	if _, err := previewed(t, l, hubPolicy); err == nil {
		t.Error("without namespaces nothing can be said")
	}
	l.asked, l.refuse = nil, func(string, string, string) error { return apierrors.NewUnauthorized("who are you") }
	if _, err := previewed(t, l, hubPolicy); err == nil || len(l.asked) != 1 {
		t.Errorf("nobody knows who asks: %v after %q", err, l.asked)
	}
}

// TestAPreviewHoldsWhatTheControllerWould, unless the very text is confirmed and the confirmation was not used up.
func TestAPreviewHoldsWhatTheControllerWould(t *testing.T) {
	confirmation := map[string]string{cluster.AnnotationConfirmPrune: policy.Hash(nothing)}
	for _, c := range []struct {
		why      string
		teams    int
		annotate map[string]string
		record   status.Record
		held     bool
	}{
		{"few", 5, nil, status.Record{}, false},
		{"many", 20, nil, status.Record{}, true},
		{"many, and confirmed", 20, confirmation, status.Record{}, false},
		{"many, and confirmed for another text", 20, map[string]string{cluster.AnnotationConfirmPrune: policy.Hash(hubPolicy)}, status.Record{}, true},
		{"many, and the confirmation was used up", 20, confirmation, status.Record{Confirmed: policy.Hash(nothing)}, true},
	} {
		v, err := previewed(t, teams(c.teams, c.teams, statusMap("reg", c.record), policyMap(nothing, c.annotate)), nothing)
		if err != nil {
			t.Fatal(err)
		}
		if v.Held != c.held || v.HasChanges() == c.held || v.RemovedCopies != c.teams || v.Copies != c.teams {
			t.Errorf("%s: held is %t, has changes is %t, %d of %d copies go", c.why, v.Held, v.HasChanges(), v.RemovedCopies, v.Copies)
		}
	}
}

// TestAPreviewTellsWhatTheControllerTriedInVain, as far as it would try it again.
func TestAPreviewTellsWhatTheControllerTriedInVain(t *testing.T) {
	problem := func(reason, name, example string, others ...string) status.ShownProblem {
		return status.ShownProblem{Problem: status.Problem{Kind: "Secret", Name: name, Reason: reason, Detail: "by a quota"}, Namespaces: 9, Example: example, Others: others}
	}
	v, err := previewed(t, teams(3, 1, statusMap("reg", status.Record{Totals: status.Totals{First: []status.ShownProblem{
		problem("WriteFailed", "reg", "team-00", "team-01", "team-02"), problem("ForeignSecret", "reg", "team-01"), problem("WriteFailed", "gone", "team-01"),
	}}})), hubPolicy)
	if err != nil {
		t.Fatal(err)
	}
	want := Failing{Kind: "Secret", Name: "reg", Reason: "WriteFailed", Detail: "by a quota", Namespaces: []string{"team-01", "team-02"}}
	if len(v.Failing) != 1 || fmt.Sprint(v.Failing[0]) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", v.Failing, want)
	}
}

func TestThePolicyAndTheNamesInUseAreRead(t *testing.T) {
	l := teams(0, 0, statusMap("old\nreg", status.Record{}), policyMap(hubPolicy, nil))
	if got, err := ReadPolicy(t.Context(), l, livePlace); err != nil || !maps.Equal(got, hubPolicy) {
		t.Errorf("%v %v", got, err)
	}
	if got, err := NamesInUse(t.Context(), l, "pullsecrets", "the-status"); err != nil || !slices.Equal(got, []string{"old", "reg"}) {
		t.Errorf("%v %v", got, err)
	}
	if got, err := NamesInUse(t.Context(), l, "pullsecrets", "none"); err != nil || got != nil {
		t.Errorf("no status: %v %v", got, err)
	}
	l.refuse = forbids("configmaps", "")
	if _, err := ReadPolicy(t.Context(), l, livePlace); err == nil {
		t.Error("the policy may not be read, and there is no error")
	}
	if _, err := NamesInUse(t.Context(), l, "pullsecrets", "the-status"); err == nil {
		t.Error("the status may not be read, and there is no error")
	}
}
