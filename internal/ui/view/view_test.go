package view

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// standing is an installation with one rule for namespaces n*, and what its status says.
func standing(t *testing.T, namespaces int, problems []status.FullProblem, change func(*status.Record)) Facts {
	t.Helper()
	documents := map[string]string{"p.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- name: hub\n  secrets: [{source: {name: hub}, name: reg}]\n  namespaces: {include: [\"n*\"]}\n"}
	hash := policy.Hash(documents)
	record := status.Record{Status: status.Ready, Observed: hash, RolledOut: hash, Totals: status.Totals{Namespaces: namespaces, Problems: len(problems)}}
	if change != nil {
		change(&record)
	}
	text, err := record.Encode()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := status.PackPolicy(documents)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := status.PackProblems(problems, status.RoomForProblems(len(text)+len(kept)))
	if err != nil {
		t.Fatal(err)
	}
	f := Facts{Namespace: "pullsecrets", PolicyName: "policy", StatusName: "status", Options: policy.Options{Namespace: "pullsecrets"}}
	f.Policy = Known[*cluster.ConfigMap]{Known: true, Value: &cluster.ConfigMap{Data: documents, Annotations: map[string]string{
		cluster.AnnotationStatus: status.Ready, cluster.AnnotationObserved: hash, cluster.AnnotationMessage: "in force"}}}
	f.Status = Known[*cluster.ConfigMap]{Known: true, Value: &cluster.ConfigMap{
		Data: map[string]string{status.KeyRecord: text}, BinaryData: map[string][]byte{status.KeyPolicy: kept, status.KeyProblems: packed}}}
	f.Namespaces.Known = true
	for i := range namespaces {
		f.Namespaces.Value = append(f.Namespaces.Value, &cluster.Namespace{Meta: cluster.Meta{Name: fmt.Sprintf("n%04d", i)}})
	}
	return f
}

func foreign(namespaces ...string) status.FullProblem {
	return status.FullProblem{Problem: status.Problem{Rule: "hub", Kind: "Secret", Name: "reg", Reason: "ForeignSecret", Scope: "namespace", Detail: "it is not ours"}, Namespaces: namespaces}
}

func TestHowARuleStandsInANamespace(t *testing.T) {
	f := standing(t, 5, []status.FullProblem{foreign("n0001")}, func(r *status.Record) {
		r.Missing = []status.MissingCopy{{Name: "reg", Namespaces: []string{"n0001", "n0002"}}}
	})
	f.Namespaces.Value[3].Excluded = true
	f.Namespaces.Value = append(f.Namespaces.Value, &cluster.Namespace{Meta: cluster.Meta{Name: "other"}})
	got := map[string]string{}
	for _, r := range New(f, now).Page(Query{}, now).Matrix.Rows {
		got[r.Namespace] = fmt.Sprintf("%s %s %d/%d", r.Class, r.Cells[0].Symbol, r.Cells[0].There, r.Cells[0].Of)
	}
	want := map[string]string{"n0000": "covered ● 1/1", "n0001": "alarm ▲ 0/1", "n0002": "none ✕ 0/1", "n0003": "public ○ 0/0", "n0004": "covered ● 1/1", "other": "  0/0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	f.Status.Value = nil
	f.Status.Known, f.Status.Forbidden = false, true
	m := New(f, now)
	if len(m.matrix.rules) != 0 || len(m.unread) != 1 {
		t.Errorf("without the status there are the rules %q, and unread %v", m.matrix.rules, m.unread)
	}
}

// What belongs to the policy as a whole is no namespace's trouble.
func TestTroubleOfThePolicyIsNoNamespaces(t *testing.T) {
	p := foreign("n0000", "n0001")
	p.Scope, p.Reason = "policy", "SourceMissing"
	held := foreign("n0000")
	held.Reason, held.Scope, held.Rule = "PruneHeld", "", ""
	m := New(standing(t, 3, []status.FullProblem{p, held}, nil), now)
	if m.matrix.counts[inTrouble] != 0 || m.matrix.counts[inPlace] != 3 {
		t.Errorf("%v", m.matrix.counts)
	}
	page := m.Page(Query{}, now)
	if len(page.HeldBack) != 1 || len(page.Groups) != 1 || page.Overview.Held == nil {
		t.Errorf("%d are held back, and %d groups of problems besides", len(page.HeldBack), len(page.Groups))
	}
}

func TestWhatASearchLeadsTo(t *testing.T) {
	listed := New(standing(t, 20, nil, nil), now)
	f := standing(t, 20, []status.FullProblem{foreign("n0001")}, nil)
	f.Namespaces = Known[[]*cluster.Namespace]{Forbidden: true}
	unlisted := New(f, now)
	for _, c := range []struct {
		model  *Model
		query  string
		asks   string
		target string
	}{
		{listed, "", "", ""},
		{listed, "q=n0001", "n0001", ""},
		{listed, "q=N0001&of=po/web", "n0001", "pod/web"},
		{listed, "q=n0001&of=car/web", "n0001", ""},
		{listed, "q=0001", "n0001", ""},
		{listed, "q=n000", "", ""},
		{listed, "q=n0001&typing=1", "", ""},
		{listed, "q=elsewhere", "", ""},
		{unlisted, "q=elsewhere", "elsewhere", ""},
		{unlisted, "q=else where", "", ""},
		{unlisted, "q=0001", "0001", ""},
	} {
		values, _ := url.ParseQuery(c.query)
		asks, target, ok := c.model.Page(NewQuery(values), now).Asks()
		if asks != c.asks || ok != (c.asks != "") || target.String() != c.target {
			t.Errorf("%s asks for %q %q, want %q %q", c.query, asks, target, c.asks, c.target)
		}
	}
}

// Thousands of namespaces with many problems make no long page, and what is left out is said.
func TestThePageIsBounded(t *testing.T) {
	const size = 3000
	var problems []status.FullProblem
	var all []string
	for i := range size {
		all = append(all, fmt.Sprintf("n%04d", i))
	}
	for i := range 100 {
		p := foreign(all...)
		p.Name = fmt.Sprintf("reg-%d", i)
		problems = append(problems, p)
	}
	m := New(standing(t, size, problems, nil), now)
	var b bytes.Buffer
	if err := m.Page(Query{}, now).Write(&b, WholePage); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", b.Len())
	if b.Len() > 256<<10 {
		t.Errorf("%d bytes", b.Len())
	}
	for _, want := range []string{"Shown are 100 of 3000 namespaces", "These are the first 60 of 100; pullsecrets status has all.", "more are not named here"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("it lacks %q", want)
		}
	}
	page := m.Page(Query{Filter: "n2999"}, now)
	if len(page.Matrix.Rows) != 1 || len(page.Groups[0].Problems) != 60 || page.Groups[0].Problems[0].Shown[0] != "n2999" {
		t.Error("the search does not find the last namespace")
	}
}

func TestWhatChangedInWords(t *testing.T) {
	before := New(standing(t, 3, []status.FullProblem{foreign("n0000", "n0001")}, nil), now)
	after := New(standing(t, 3, []status.FullProblem{foreign("n0001", "n0002")}, nil), now)
	got := Changes(before, after)
	want := []string{"New: ForeignSecret, rule hub, Secret reg in n0002.", "Gone: ForeignSecret, rule hub, Secret reg in n0000."}
	if diff := cmp.Diff(want, got); diff != "" || before.Same(after) {
		t.Error(diff)
	}
	if !before.Same(New(before.facts, now.Add(time.Minute))) {
		t.Error("a minute later it is another page")
	}
	if before.Same(New(before.facts, now.Add(24*time.Hour))) {
		t.Error("a day later the ages are the same")
	}
	away := before.facts
	away.Away = now
	if got := Changes(before, New(away, now)); len(got) != 1 || !strings.Contains(got[0], "does not answer") {
		t.Errorf("%q", got)
	}
}

// TestWhatChangedIsTheDifference of the problems in each namespace, whatever their details and however somebody put the names.
func TestWhatChangedIsTheDifference(t *testing.T) {
	detailed := func(detail string, namespaces ...string) status.FullProblem {
		p := foreign(namespaces...)
		p.Detail = detail
		return p
	}
	ofNone := foreign()
	ofNone.Name = "none"
	was := []status.FullProblem{detailed("one", "n0002", "n0000"), detailed("two", "n0001", "n0002"), ofNone}
	for _, c := range []struct {
		is   []status.FullProblem
		want []string
	}{
		{was, []string{"The page has changed."}},
		{[]status.FullProblem{detailed("other", "n0000", "n0001", "n0002"), ofNone}, []string{"The page has changed."}},
		{[]status.FullProblem{detailed("one", "n0001", "n0003", "n0004")}, []string{
			"New: ForeignSecret, rule hub, Secret reg in n0003, and 1 more.", "Gone: ForeignSecret, rule hub, Secret reg in n0000, and 2 more.",
		}},
	} {
		got := Changes(New(standing(t, 5, was, nil), now), New(standing(t, 5, c.is, nil), now))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// TestWhatChangedIsToldOfManyNamespaces without work for each of them: the page waits for it.
func TestWhatChangedIsToldOfManyNamespaces(t *testing.T) {
	var names []string
	for i := range 3000 {
		names = append(names, fmt.Sprintf("n%04d", i))
	}
	before, after := New(standing(t, 0, []status.FullProblem{foreign(names...)}, nil), now), New(standing(t, 0, []status.FullProblem{foreign(names[1:]...)}, nil), now)
	if n := testing.AllocsPerRun(1, func() { Changes(before, after) }); n > 300 {
		t.Errorf("%.0f allocations", n)
	}
}

func TestAges(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-27T11:30:00Z": "less than an hour ago", "2026-11-27T11:00:00Z": "1 hour ago", "2026-11-25T13:00:00Z": "47 hours ago", "2026-11-24T12:00:00Z": "3 days ago",
		"2026-06-01T00:00:00Z": "5 months ago", "2020-11-27T12:00:00Z": "6 years ago", "2026-12-07T12:00:00Z": "in 10 days", "": "", "soon": "",
	} {
		if got := newMoment(text, now); got.From != want {
			t.Errorf("%s is %q, want %q", text, got.From, want)
		}
	}
}

// What explain says is shown in the same words, what to do first.
func TestAnExplanationIsShownInItsWords(t *testing.T) {
	e := &inspect.Explanation{Namespace: "a", Rules: []inspect.RuleExplanation{{Rule: "hub"}}, Do: []inspect.Step{{Why: "restart it", Command: "kubectl rollout restart <web>"}},
		Copies: []inspect.CopyExplanation{{Name: "reg", Exists: true, Since: "2026-11-27T11:00:00Z", Reason: "InSync", Text: "it is as it should be", Diff: []string{"- a", "+ b"}}}}
	page := New(standing(t, 1, nil, nil), now).Page(Query{Filter: "n0000"}, now)
	page.Explained = NewExplained(e, inspect.Target{})
	var b bytes.Buffer
	if err := page.Write(&b, Regions); err != nil {
		t.Fatal(err)
	}
	at := -1
	for _, want := range []string{"What to do", "restart it", "<code>kubectl rollout restart &lt;web&gt;</code>", "rule hub: selects it", "reg: there since 2026-11-27T11:00:00Z", "InSync: it is as it should be", "- a"} {
		next := strings.Index(b.String(), want)
		if next < at || next < 0 {
			t.Errorf("%q is not there, or not in order", want)
		}
		at = next
	}
}
