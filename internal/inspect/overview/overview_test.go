package overview

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

const (
	textA = "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\n"
	textB = textA + "# another\n"
)

func documents(text string) map[string]string { return map[string]string{"policy.yaml": text} }

func hash(text string) string { return policy.Hash(documents(text)) }

// policyMap is a policy ConfigMap with a text; observed is the text that was judged last, "" if none was.
func policyMap(text, observed, verdict string, annotations ...string) *cluster.ConfigMap {
	cm := &cluster.ConfigMap{Data: documents(text), Annotations: map[string]string{}}
	if observed != "" {
		cm.Annotations = map[string]string{cluster.AnnotationObserved: hash(observed), cluster.AnnotationStatus: verdict, cluster.AnnotationMessage: "said so"}
	}
	for i := 0; i < len(annotations); i += 2 {
		cm.Annotations[annotations[i]] = annotations[i+1]
	}
	return cm
}

// statusMap is a status ConfigMap with a record; text is the one in force, "" if there is none.
func statusMap(t *testing.T, text string, r status.Record, problems ...status.FullProblem) *cluster.ConfigMap {
	t.Helper()
	record, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	cm := &cluster.ConfigMap{Data: map[string]string{status.KeyRecord: record}, BinaryData: map[string][]byte{}}
	if text != "" {
		if cm.BinaryData[status.KeyPolicy], err = status.PackPolicy(documents(text)); err != nil {
			t.Fatal(err)
		}
	}
	if cm.BinaryData[status.KeyProblems], err = status.PackProblems(problems, 100<<10); err != nil {
		t.Fatal(err)
	}
	return cm
}

func record(verdict, observed, rolledOut string) status.Record {
	r := status.Record{Status: verdict, Observed: hash(observed), Totals: status.Totals{Copies: map[string]int{}}}
	if rolledOut != "" {
		r.RolledOut = hash(rolledOut)
	}
	return r
}

// TestHowThePolicyStands in every constellation of the two ConfigMaps, and whether somebody who waits may go on.
func TestHowThePolicyStands(t *testing.T) {
	revision := func(live, observed string) []string {
		return []string{cluster.AnnotationRevision, live, cluster.AnnotationObservedRevision, observed}
	}
	in := func(p, s *cluster.ConfigMap) Input { return Input{Policy: p, Status: s} }
	denied := func(p *cluster.ConfigMap, policyDenied, statusDenied string) Input {
		return Input{Policy: p, PolicyDenied: policyDenied, StatusDenied: statusDenied}
	}
	for _, c := range []struct {
		name      string
		in        Input
		revision  string // that is waited for
		state     string
		settled   bool
		final     string // if it is another than state
		judged    bool
		rolledOut bool
		message   string
	}{
		{"nothing at all", in(nil, nil), "", Missing, false, "", false, false, "there is no policy ConfigMap pullsecrets/the-policy"},
		{"deleted", in(nil, statusMap(t, textA, record(Ready, textA, textA))), "", Missing, false, "", false, false, "the last good policy stays in force"},
		{"a policy of flags", in(nil, statusMap(t, "", record(Ready, textA, textA))), "", Ready, true, "", true, true, "from flags"},
		{"nobody looked", in(policyMap(textA, "", ""), nil), "", Progressing, false, "", false, false, "no controller has judged the policy yet"},
		{"the first roll-out", in(policyMap(textA, "", ""), statusMap(t, textA, status.Record{})), "", Progressing, false, "", false, false, "accepted, and is being rolled out"},
		{"all is well", in(policyMap(textA, textA, Ready), statusMap(t, textA, record(Ready, textA, textA))), "", Ready, true, "", true, true, "said so"},
		{"all is well, of a revision", in(policyMap(textA, textA, Ready, revision("v1", "v1")...), statusMap(t, textA, record(Ready, textA, textA))), "v1", Ready, true, "", true, true, "said so"},
		{"all is well, of another revision", in(policyMap(textA, textA, Ready, revision("v1", "v1")...), statusMap(t, textA, record(Ready, textA, textA))), "v2", Ready, false, "", true, true, "said so"},
		{"another name for the same text", in(policyMap(textA, textA, Ready, revision("v2", "v1")...), statusMap(t, textA, record(Ready, textA, textA))), "v2", Ready, false, "", true, true, "said so"},
		{"degraded", in(policyMap(textA, textA, Degraded), statusMap(t, textA, record(Degraded, textA, textA))), "", Degraded, true, "", true, true, "said so"},
		{"degraded, and namespaces wait", in(policyMap(textA, textA, Degraded), statusMap(t, textA, record(Degraded, textA, ""))), "", Degraded, false, "", true, false, "said so"},
		{"refused", in(policyMap(textB, textB, Invalid), statusMap(t, textA, record(Ready, textA, textA))), "", Invalid, true, "", true, false, "said so"},
		{"refused, the first", in(policyMap(textB, textB, Invalid), nil), "", Invalid, true, "", true, false, "said so"},
		{"edited", in(policyMap(textB, textA, Ready), statusMap(t, textA, record(Ready, textA, textA))), "", Progressing, false, "", false, false, "no controller has judged it yet; the text before it was Ready"},
		{"edited, with the name that it had", in(policyMap(textB, textA, Ready, revision("v1", "v1")...), statusMap(t, textA, record(Ready, textA, textA))), "v1", Progressing, false, "", false, false, "edited"},
		{"being rolled out", in(policyMap(textB, textA, Ready), statusMap(t, textB, record(Ready, textA, ""))), "", Progressing, false, "", false, false, "is being rolled out"},
		{"put back while its successor is rolled out", in(policyMap(textA, textA, Ready), statusMap(t, textB, record(Ready, textA, ""))), "", Progressing, false, "", true, false, "being rolled out"},
		{"put back, and being rolled out again", in(policyMap(textA, textA, Ready), statusMap(t, textA, record(Ready, textA, ""))), "", Progressing, false, "", true, false, "being rolled out"},
		{"rolled out, and the status follows", in(policyMap(textB, textB, Ready), statusMap(t, textB, record(Ready, textA, ""))), "", Progressing, false, "", true, false, "was a moment ago"},
		{"the annotations have no room", in(policyMap(textB, textA, Ready), statusMap(t, textB, record(Degraded, textB, textB))), "", Degraded, true, "", true, true, "no room"},
		{"overtaken by another text, as it was meant", in(policyMap(textB, textA, Degraded, revision("v2", "v1")...), statusMap(t, textA, record(Degraded, textA, textA))), "v1", Progressing, true, Degraded, false, false, "edited"},
		{"overtaken by another text during the roll-out", in(policyMap(textB, textA, Degraded, revision("v2", "v1")...), statusMap(t, textA, record(Degraded, textA, ""))), "v1", Progressing, false, Degraded, false, false, "edited"},
		{"the policy is denied", denied(nil, "forbidden", ""), "", Unknown, false, "", false, false, "may not be read: forbidden"},
		{"the status is denied", denied(policyMap(textA, textA, Ready), "", "forbidden"), "", Ready, true, "", true, true, "said so"},
		{"the status is denied, degraded", denied(policyMap(textA, textA, Degraded), "", "forbidden"), "", Degraded, true, "", true, false, "said so"},
		{"no status, and it is degraded", in(policyMap(textA, textA, Degraded), nil), "", Degraded, false, "", true, false, "said so"},
		{"somebody wrote the annotation", in(policyMap(textA, textA, "Great\n"), statusMap(t, textA, record(Ready, textA, textA))), "", Unknown, false, "", true, true, `which no controller writes`},
	} {
		c.in.Namespace, c.in.PolicyName, c.in.StatusName = "pullsecrets", "the-policy", "the-status"
		o := From(c.in)
		if o.State != c.state || o.Judged != c.judged || o.RolledOut != c.rolledOut || !strings.Contains(o.Message, c.message) {
			t.Errorf("%s: %s, judged %v, rolled out %v: %s", c.name, o.State, o.Judged, o.RolledOut, o.Message)
		}
		if o.Reasoned() == strings.Contains(c.message, "no room") {
			t.Errorf("%s: the message %q is the controller's own: %v", c.name, o.Message, o.Reasoned())
		}
		final := c.final
		if final == "" {
			final = c.state
		}
		if got, settled := o.Final(c.revision); got != final || settled != c.settled {
			t.Errorf("%s: final is %s, settled %v", c.name, got, settled)
		}
	}
}

// TestWhatSomebodyEditedIsSaid, and is no panic.
func TestWhatSomebodyEditedIsSaid(t *testing.T) {
	foreign := status.FullProblem{Problem: status.Problem{Kind: "Secret", Name: "reg", Reason: "ForeignSecret", Detail: "it is"}, Namespaces: []string{"a", "b"}}
	r := record(Degraded, textA, textA)
	r.Problems = 1
	r.First = []status.ShownProblem{{Problem: foreign.Problem, Namespaces: 5, Example: "a", Others: []string{"b"}}}
	for _, c := range []struct {
		name   string
		change func(*cluster.ConfigMap)
		note   string
		named  int // namespaces
	}{
		{"nothing", func(*cluster.ConfigMap) {}, "", 2},
		{"no JSON", func(cm *cluster.ConfigMap) { cm.Data[status.KeyRecord] = "{" }, "the key status.json of the ConfigMap pullsecrets/the-status is not as the controller writes it, so somebody edited it", 2},
		{"not written yet", func(cm *cluster.ConfigMap) { cm.Data[status.KeyRecord], cm.BinaryData[status.KeyProblems] = "", nil }, "are not told yet", 0},
		{"another type", func(cm *cluster.ConfigMap) {
			cm.Data[status.KeyRecord] = strings.Replace(cm.Data[status.KeyRecord], `"problemCount": 1`, `"problemCount": "x"`, 1)
		}, "somebody edited it", 2},
		{"no gzip", func(cm *cluster.ConfigMap) { cm.BinaryData[status.KeyProblems] = []byte("x") }, "somebody edited the ConfigMap pullsecrets/the-status: the key problems is no gzip", 5},
		{"the key is gone", func(cm *cluster.ConfigMap) { delete(cm.BinaryData, status.KeyProblems) }, "the first problems are told alone", 5},
		{"the policy is gone", func(cm *cluster.ConfigMap) { cm.BinaryData[status.KeyPolicy] = []byte("x") }, "key policy is no gzip", 2},
		{"all is gone", func(cm *cluster.ConfigMap) { *cm = cluster.ConfigMap{} }, "somebody edited it", 0},
		{"negative numbers", func(cm *cluster.ConfigMap) {
			cm.Data[status.KeyRecord] = strings.NewReplacer(`"namespaces": 5`, `"namespaces": -5`, `"problemCount": 1`, `"problemCount": -1`).Replace(cm.Data[status.KeyRecord])
			delete(cm.BinaryData, status.KeyProblems)
		}, "", 2},
	} {
		saved := statusMap(t, textA, r, foreign)
		c.change(saved)
		o := From(Input{Namespace: "pullsecrets", PolicyName: "the-policy", StatusName: "the-status", Policy: policyMap(textA, textA, Degraded), Status: saved})
		if text := strings.Join(o.Notes, "\n"); !strings.Contains(text, c.note) || c.name == "nothing" && (text != "" || !o.Complete) {
			t.Errorf("%s: the notes are %q", c.name, text)
		}
		if o.State != Degraded && c.name != "all is gone" {
			t.Errorf("%s: it is %s", c.name, o.State)
		}
		named := 0
		for _, g := range o.Problems {
			named += g.Namespaces
		}
		if named != c.named {
			t.Errorf("%s: %d namespaces have problems", c.name, named)
		}
	}
}

// TestNoTextReachesATerminal whoever wrote it.
func TestNoTextReachesATerminal(t *testing.T) {
	evil := "x\x1b[2J\r\n\u202egnp\u0085\u2028"
	r := record(Degraded, textA, textA)
	r.Revision, r.Confirmed = evil, evil
	r.Rules = []status.RuleTotals{{Name: evil, OldestNamespace: evil, OldestUnsynced: evil}}
	r.Summaries = []status.SourceSummary{{Source: evil, State: policy.SourceStatus(evil), LastChange: evil, Expires: evil}}
	r.SourceHosts = []status.SourceHosts{{Source: evil, Hosts: []string{evil}}}
	r.Verified = []status.VerifiedSource{{Source: evil, Verdict: status.Verdict(evil)}}
	r.Totals.Sources = []status.SourceFinding{{Source: evil, Reason: evil, Message: evil}}
	r.Problems = 1
	p := policyMap(textA, textA, Degraded, cluster.AnnotationMessage, evil, cluster.AnnotationRevision, evil, cluster.AnnotationObservedRevision, evil)
	problem := status.FullProblem{Problem: status.Problem{Rule: evil, Kind: evil, Name: evil, Source: evil, Reason: evil, Detail: evil, Scope: evil}, Namespaces: []string{evil}}
	for _, verdict := range []string{Degraded, evil} {
		p.Annotations[cluster.AnnotationStatus] = verdict
		o := From(Input{Namespace: "pullsecrets", PolicyName: "p", StatusName: "s", Policy: p, Status: statusMap(t, textA, r, problem), PolicyDenied: "", Edited: evil})
		var check func(v any)
		check = func(v any) {
			switch v := v.(type) {
			case string:
				if strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Errorf("%q", v)
				}
			case []any:
				for _, item := range v {
					check(item)
				}
			case map[string]any:
				for key, item := range v {
					check(key)
					check(item)
				}
			}
		}
		text, err := json.Marshal(o)
		var all any
		if err != nil || json.Unmarshal(text, &all) != nil {
			t.Fatal(err)
		}
		check(all)
		for _, line := range o.Changes(From(Input{})) {
			check(line)
		}
		if _, settled := o.Final(evil); settled != (verdict == Degraded) {
			t.Errorf("of %q it is settled: %v", verdict, settled)
		}
	}
}

// TestWhatIsHeldIsConfirmedOnlyWhereThatCounts, by a command that nobody else decides.
func TestWhatIsHeldIsConfirmedOnlyWhereThatCounts(t *testing.T) {
	held := []status.FullProblem{
		{Problem: status.Problem{Kind: "Secret", Name: "reg", Reason: string(plan.PruneHeld)}, Namespaces: []string{"a", "b"}},
		{Problem: status.Problem{Kind: "ServiceAccount", Name: "default", Reason: string(plan.PruneHeld)}, Namespaces: []string{"a", "b", "c"}, More: 2},
	}
	confirm := "kubectl --context=c -n pullsecrets annotate configmap the-policy --overwrite pullsecrets/confirm-prune=" + hash(textA)
	used := record(Degraded, textA, textA)
	used.Confirmed = hash(textA)
	for _, c := range []struct {
		name         string
		policy       *cluster.ConfigMap
		saved        *cluster.ConfigMap
		confirm, why string
	}{
		{"held", policyMap(textA, textA, Degraded), statusMap(t, textA, record(Degraded, textA, textA), held...), confirm, ""},
		{"used up", policyMap(textA, textA, Degraded), statusMap(t, textA, used, held...), "pullsecrets/confirm-prune- && sleep 5 && " + confirm, ""},
		{"edited", policyMap(textB, textA, Degraded), statusMap(t, textA, record(Degraded, textA, textA), held...), "", "edited"},
		{"refused", policyMap(textA, textA, Invalid), statusMap(t, textB, record(Degraded, textB, textB), held...), "", "refused"},
		{"being rolled out", policyMap(textA, textA, Degraded), statusMap(t, textA, record(Degraded, textB, ""), held...), "", "rolled out"},
		{"deleted", nil, statusMap(t, textA, record(Degraded, textA, textA), held...), "", "no policy ConfigMap"},
	} {
		o := From(Input{Namespace: "pullsecrets", PolicyName: "the-policy", StatusName: "the-status", Policy: c.policy, Status: c.saved, Kubectl: "kubectl --context=c"})
		if o.Held == nil {
			t.Fatalf("%s: nothing is held", c.name)
		}
		if h := *o.Held; !strings.HasSuffix(h.Confirm, c.confirm) || (c.confirm == "") != (h.Confirm == "") || !strings.Contains(h.Why, c.why) ||
			h.Copies != 2 || h.ServiceAccounts != 5 || h.Namespaces != 5 {
			t.Errorf("%s: %+v", c.name, h)
		}
	}
}

// TestACommandIsShownAsItIsOrNotAtAll: a letter that a terminal may not be shown is part of which cluster is meant.
func TestACommandIsShownAsItIsOrNotAtAll(t *testing.T) {
	held := status.FullProblem{Problem: status.Problem{Kind: "Secret", Name: "reg", Reason: string(plan.PruneHeld)}, Namespaces: []string{"a"}}
	for kubectl, shown := range map[string]bool{
		"kubectl --context='prod eu'": true, "kubectl --context='prod-ü'": true,
		"kubectl --context='prod eu'": false, "kubectl --kubeconfig='a\tb'": false, "kubectl --context='\u202eprod'": false, "kubectl --as='a\n'": false,
	} {
		o := From(Input{
			Namespace: "pullsecrets", PolicyName: "the-policy", StatusName: "the-status", Kubectl: kubectl,
			Policy: policyMap(textA, textA, Degraded), Status: statusMap(t, textA, record(Degraded, textA, textA), held),
		})
		if shown != strings.HasPrefix(o.Held.Confirm, kubectl+" ") || !shown && (o.Held.Confirm != "" || !strings.Contains(o.Held.Why, "pullsecrets/confirm-prune="+hash(textA))) {
			t.Errorf("%q: %+v", kubectl, *o.Held)
		}
	}
}

// TestProblemsStandTogether by their reason: the policy's first, then what most namespaces have.
func TestProblemsStandTogether(t *testing.T) {
	of := func(scope, reason, name string, namespaces ...string) status.FullProblem {
		return status.FullProblem{Problem: status.Problem{Scope: scope, Reason: reason, Name: name, Kind: "Secret"}, Namespaces: namespaces}
	}
	r := record(Degraded, textA, textA)
	r.Problems = 7
	o := From(Input{Policy: policyMap(textA, textA, Degraded), Meanings: plan.Problems, Status: statusMap(t, textA, r,
		of(OfNamespace, "WriteFailed", "x", "a"), of(OfNamespace, "ForeignSecret", "x", "a", "b"), of(OfNamespace, "ForeignSecret", "y", "b", "c"),
		of(OfPolicy, "SourceMissing", "x", "a"), of("", "Unheard", "x"))})
	var got []string
	for _, g := range o.Problems {
		got = append(got, fmt.Sprintf("%s %d/%d %t", g.Reason, len(g.Problems), g.Namespaces, g.Means != "" && g.Do != ""))
	}
	if text := strings.Join(got, ", "); text != "SourceMissing 1/1 true, Unheard 1/0 false, ForeignSecret 2/3 true, WriteFailed 1/1 false" {
		t.Error(text)
	}
	if o.Complete || !strings.Contains(strings.Join(o.Notes, ""), "2 more problems are not told") {
		t.Errorf("the notes are %q", o.Notes)
	}
}

// TestAnEarlierStatusIsTold as far as it goes.
func TestAnEarlierStatusIsTold(t *testing.T) {
	const earlier = `{"status": "Degraded", "observed": "HASH", "rolledOut": "HASH", "namespaces": 3, "serviceAccounts": 2,
  "copies": {"hub": 3, "a": 1}, "problemCount": 30, "problems": [{"kind": "Secret", "name": "reg", "reason": "ForeignSecret", "detail": "it is", "namespaces": 20, "example": "a", "others": ["b"]}],
  "sourceHosts": [{"source": "pullsecrets/hub", "hosts": ["hub.example"]}]}`
	saved := statusMap(t, textA, status.Record{})
	saved.Data[status.KeyRecord] = strings.ReplaceAll(earlier, "HASH", hash(textA))
	o := From(Input{Policy: policyMap(textA, textA, Degraded), Status: saved})
	if _, settled := o.Final(""); !settled || o.State != Degraded || len(o.Rules) != 2 || o.Rules[0].Name != "a" || o.Rules[1].Copies != 3 ||
		len(o.Sources) != 1 || o.Sources[0].Registries[0] != "hub.example" || o.ProblemCount != 30 || o.Problems[0].Namespaces != 20 || o.Complete {
		t.Errorf("%+v", o)
	}
	if text := strings.Join(o.Notes, "\n"); !strings.Contains(text, "of an earlier version") {
		t.Error(text)
	}
}
