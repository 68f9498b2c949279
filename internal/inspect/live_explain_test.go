package inspect

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

func explainedBy(t *testing.T, l *live, namespace, target string) (*Explanation, error) {
	t.Helper()
	return Explain(t.Context(), l, livePlace, policy.Options{Namespace: "pullsecrets"}, nil, namespace, targeted(t, target))
}

// TestExplainGoesByThePolicyInForce: the last good one where the text is refused or missing.
func TestExplainGoesByThePolicyInForce(t *testing.T) {
	refused := map[string]string{"policy.yaml": "rules: 5"}
	for _, c := range []struct {
		why     string
		objects []*unstructured.Unstructured
		note    string
		want    string // part of the error; empty for none
	}{
		{"the text", []*unstructured.Unstructured{policyMap(hubPolicy, nil)}, "", ""},
		{"a text that was refused", []*unstructured.Unstructured{policyMap(refused, nil), statusMap("reg", status.Record{})}, "the policy was refused", ""},
		{"no text", []*unstructured.Unstructured{statusMap("reg", status.Record{})}, "there is no policy ConfigMap pullsecrets/the-policy", ""},
		{"neither text nor status", nil, "", "no policy is in force"},
	} {
		e, err := explainedBy(t, teams(1, 1, c.objects...), "team-00", "")
		switch {
		case c.want != "":
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", c.why, err)
			}
		case err != nil:
			t.Errorf("%s: %v", c.why, err)
		case len(e.Rules) != 1 || len(e.Copies) != 1 || !strings.Contains(strings.Join(e.Notes, "; "), c.note) ||
			(c.note != "") != strings.Contains(strings.Join(e.Notes, "; "), "the last good policy is in force"):
			t.Errorf("%s: %+v", c.why, e)
		}
	}
}

// TestExplainNotesWhatIsForbidden, and any other error is an error.
func TestExplainNotesWhatIsForbidden(t *testing.T) {
	l := teams(1, 1, policyMap(hubPolicy, nil))
	l.refuse = forbids("serviceaccounts", "")
	if e, err := explainedBy(t, l, "team-00", ""); err != nil || !strings.Contains(strings.Join(e.Notes, "; "), "you may not list its service accounts") {
		t.Errorf("%+v %v", e, err)
	}
	l.refuse = forbids("secrets", "reg")
	if e, err := explainedBy(t, l, "team-00", ""); err != nil || !e.Copies[0].Unread || !strings.Contains(e.Copies[0].Text, "you may not read it") {
		t.Errorf("%+v %v", e, err)
	}
	for _, resource := range []string{"configmaps", "namespaces", "serviceaccounts", "secrets"} {
		l.refuse = func(_, of, _ string) error {
			if of == resource {
				return errors.New("no answer")
			}
			return nil
		}
		if e, err := explainedBy(t, l, "team-00", ""); err == nil {
			t.Errorf("%s: %+v", resource, e)
		}
	}
}

// TestExplainTellsWhatTheStatusKnows of a write that does not come about.
func TestExplainTellsWhatTheStatusKnows(t *testing.T) {
	denied := status.ShownProblem{Problem: status.Problem{Kind: "Secret", Name: "reg", Reason: "WriteFailed", Detail: "by a quota"}, Namespaces: 3, Example: "team-00"}
	for _, c := range []struct {
		why, namespace string
		total          int // problems
		text           string
	}{
		{"it names the namespace", "team-00", 1, "the controller cannot create it: by a quota (WriteFailed)"},
		{"it tells of more namespaces than it names", "team-01", 1, "perhaps, because the status tells it of 3 namespaces and names 1"},
	} {
		l := teams(2, 0, policyMap(hubPolicy, nil), statusMap("reg", status.Record{Totals: status.Totals{Problems: c.total, First: []status.ShownProblem{denied}}}))
		if e, err := explainedBy(t, l, c.namespace, ""); err != nil || !strings.Contains(e.Copies[0].Text, c.text) {
			t.Errorf("%s: %+v %v", c.why, e, err)
		}
	}
	all, err := status.PackProblems([]status.FullProblem{{Problem: denied.Problem, Namespaces: []string{"team-00", "team-01", "team-02"}}}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ namespace, text string }{
		{"team-01", "the controller cannot create it: by a quota (WriteFailed)"},
		{"team-03", "the controller is about to create it: see its log if it does not"},
	} {
		saved := statusMap("reg", status.Record{Totals: status.Totals{Problems: 1, First: []status.ShownProblem{denied}}})
		if err := unstructured.SetNestedField(saved.Object, base64.StdEncoding.EncodeToString(all), "binaryData", status.KeyProblems); err != nil {
			t.Fatal(err)
		}
		l := teams(4, 0, policyMap(hubPolicy, nil), saved)
		if e, err := explainedBy(t, l, c.namespace, ""); err != nil || e.Copies[0].Text != c.text {
			t.Errorf("where all of them are told, %s: %+v %v", c.namespace, e, err)
		}
	}
	l := teams(1, 0, policyMap(hubPolicy, nil), statusMap("reg", status.Record{Totals: status.Totals{Problems: 30}}))
	if e, err := explainedBy(t, l, "team-00", ""); err != nil || !strings.Contains(e.Copies[0].Text, "the status names 0 of 30 problems") {
		t.Errorf("%+v %v", e, err)
	}
	l.refuse = forbids("configmaps", "the-status")
	if e, err := explainedBy(t, l, "team-00", ""); err != nil || !strings.Contains(e.Copies[0].Text, "you may not read it") {
		t.Errorf("%+v %v", e, err)
	}
}

func TestExplainNarrowsToAnAccountOrAPod(t *testing.T) {
	l := teams(1, 1, policyMap(hubPolicy, nil), explained("ServiceAccount", "team-00", "ci", nil))
	for target, want := range map[string]struct{ account, err string }{
		"":                    {"default", ""},
		"sa/default":          {"default", ""},
		"serviceaccount/none": {"", "there is no service account none in namespace team-00"},
		"pod/none":            {"", "read the pod: "},
		"deployment/none":     {"", "read the deployment: "},
	} {
		e, err := explainedBy(t, l, "team-00", target)
		if want.err != "" {
			if err == nil || !strings.Contains(err.Error(), want.err) {
				t.Errorf("%s: %v", target, err)
			}
		} else if err != nil || len(e.Accounts) == 0 || e.Accounts[0].Name != want.account && target != "" || target != "" && len(e.Accounts) != 1 {
			t.Errorf("%s: %+v %v", target, e, err)
		}
	}
}

func TestExplainSaysWhyAPodLacksAName(t *testing.T) {
	named := func(names ...string) (list []any) {
		for _, name := range names {
			list = append(list, map[string]any{"name": name})
		}
		return list
	}
	for _, c := range []struct {
		why        string
		pod, list  []string // the names of the pod, and of its account
		account    string
		text, note string
	}{
		{"it has it", []string{"reg"}, []string{"reg"}, "", "the pod has it", ""},
		{"it names its own", []string{"mine"}, []string{"reg"}, "default", "the pod sets imagePullSecrets itself (mine)", ""},
		{"its account lacks it", nil, nil, "default", "its service account lacks it: missing; the controller is about to add it", ""},
		{"it is older than the name", nil, []string{"reg"}, "default", "a new one gets it", ""},
		{"no rule serves its account", nil, nil, "ci", "", "no rule gives its service account a pull secret"},
	} {
		l := teams(1, 1, policyMap(hubPolicy, nil), explained("ServiceAccount", "team-00", "ci", nil))
		for _, u := range l.objects {
			if u.GetKind() == "ServiceAccount" && u.GetName() == "default" && c.list != nil {
				u.Object["imagePullSecrets"] = named(c.list...)
			}
		}
		spec := map[string]any{"imagePullSecrets": named(c.pod...), "containers": []any{map[string]any{"name": "main", "image": "hub.example/app"}}}
		if c.account != "" {
			spec["serviceAccountName"] = c.account
		}
		pod := explained("Pod", "team-00", "web", map[string]any{"spec": spec})
		pod.SetCreationTimestamp(metav1.NewTime(time.Unix(2000, 0)))
		l.objects = append(l.objects, pod)
		e, err := explainedBy(t, l, "team-00", "pod/web")
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		if c.text != "" && (len(e.Pod.Names) != 1 || !strings.Contains(e.Pod.Names[0].Text, c.text)) || !strings.Contains(strings.Join(e.Pod.Notes, "; "), c.note) ||
			len(e.Pod.Images) != 1 {
			t.Errorf("%s: %+v", c.why, e.Pod)
		}
	}
}
