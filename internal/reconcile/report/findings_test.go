package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// sources are the states of one source, of a credential with this password, as they are judged.
type sources struct{ *cluster.Projector }

var hub = types.NamespacedName{Namespace: "pullsecrets", Name: "hub"}

func (s sources) with(password string, more ...policy.Finding) map[types.NamespacedName]policy.SourceState {
	content, defect, cause := s.Content(cluster.TypeDockercfg, []byte(`{"hub.example":{"username":"robot","password":"`+password+`"}}`))
	state := policy.NewSourceState(&cluster.Source{Secret: &cluster.Secret{Content: content, Defect: defect, Cause: cause}}, cluster.Installation{})
	state.Findings = append(plan.Findings(state, time.Now(), 0), more...)
	return map[types.NamespacedName]policy.SourceState{hub: state}
}

// The states of the sources are gathered again after every event, and a line for each would fill the log.
func TestAWarningIsLoggedOnceForEachContentOfASource(t *testing.T) {
	s := sources{cluster.NewProjector([]byte("key"))}
	const line = `"source":"pullsecrets/hub","reason":"SourceDoubtful","message":"password of hub.example ends in a newline`
	var out bytes.Buffer
	r := New(Options{Log: zerolog.New(&out), Changed: func() {}})
	for _, step := range []struct {
		why    string
		states map[types.NamespacedName]policy.SourceState
		want   int
	}{
		{"nothing is wrong", s.with("one"), 0},
		{"a newline", s.with(`one\n`), 1},
		{"the same again", s.with(`one\n`), 0},
		{"another credential with one", s.with(`two\n`), 1},
		{"it is broken", s.with("${PASSWORD}"), 0},
		{"and back", s.with(`two\n`), 1},
		{"it is gone", map[types.NamespacedName]policy.SourceState{hub: policy.NewSourceState(nil, cluster.Installation{})}, 0},
		{"a good one", s.with("three"), 0},
	} {
		out.Reset()
		r.Sources(step.states)
		if got := strings.Count(out.String(), line); got != step.want || strings.Count(out.String(), "\n") != step.want {
			t.Errorf("%s: %d lines, want %d:\n%s", step.why, got, step.want, &out)
		}
	}
}

// A problem counts and degrades; a warning is shown, and does not.
func TestFindingsOfSources(t *testing.T) {
	s := sources{cluster.NewProjector([]byte("key"))}
	bad := policy.Finding{Reason: "Bad", Text: "it is bad", Problem: true}
	odd := policy.Finding{Reason: "Odd", Text: "it is odd"}
	shown := func(f policy.Finding) status.SourceFinding {
		return status.SourceFinding{Source: "pullsecrets/hub", Reason: f.Reason, Message: f.Text, Problem: f.Problem}
	}
	var out bytes.Buffer
	changes := 0
	r := New(Options{Log: zerolog.New(&out), Changed: func() { changes++ }})
	r.OfNone("somebody else", []status.Problem{{Kind: "K", Name: "n", Reason: "Else", Detail: "why"}})
	for _, step := range []struct {
		why      string
		findings []policy.Finding
		problems []string
		logged   []string
		changes  bool
	}{
		{"a warning", []policy.Finding{odd}, []string{"K n: Else"}, []string{`"reason":"Odd"`}, true},
		{"the same", []policy.Finding{odd}, []string{"K n: Else"}, nil, false},
		{"a problem too", []policy.Finding{odd, bad}, []string{"K n: Else", "source pullsecrets/hub: Bad"}, []string{`"reason":"Bad"`}, true},
		{"the same both", []policy.Finding{odd, bad}, []string{"K n: Else", "source pullsecrets/hub: Bad"}, nil, false},
		{"only the problem", []policy.Finding{bad}, []string{"K n: Else", "source pullsecrets/hub: Bad"}, nil, true},
		{"nothing", nil, []string{"K n: Else"}, []string{"no longer a problem"}, true},
	} {
		out.Reset()
		changes = 0
		r.Sources(s.with("one", step.findings...))
		var problems []string
		totals := r.Totals()
		for _, p := range totals.First {
			problems = append(problems, p.Object()+": "+p.Reason)
		}
		var want []status.SourceFinding
		for _, f := range step.findings {
			want = append(want, shown(f))
		}
		if diff := cmp.Diff(step.problems, problems) + cmp.Diff(want, totals.Sources); diff != "" || (changes > 0) != step.changes {
			t.Errorf("%s: %d changes, %s", step.why, changes, diff)
		}
		if got := strings.Count(out.String(), "\n"); got != len(step.logged) {
			t.Errorf("%s: %d lines: %s", step.why, got, &out)
		}
		for _, line := range step.logged {
			if !strings.Contains(out.String(), line) {
				t.Errorf("%s: %q is not logged: %s", step.why, line, &out)
			}
		}
	}
	r.OfNone("somebody else", nil)
	if r.Totals().Problems > 0 {
		t.Error("a problem is left")
	}
}

// One owner's problem stays while another has the same.
func TestTwoMayTellOfTheSameProblem(t *testing.T) {
	r := New(Options{Log: zerolog.Nop(), Changed: func() {}})
	same := func() []status.Problem { return []status.Problem{{Kind: "K", Name: "n", Reason: "R", Detail: "why"}} }
	r.OfNone("a", same())
	r.OfNone("b", same())
	r.OfNone("a", nil)
	if r.Totals().Problems == 0 {
		t.Error("it is lost")
	}
	r.OfNone("b", nil)
	if r.Totals().Problems > 0 {
		t.Error("it stays")
	}
}

// The status has an end, whatever is said of however many sources.
func TestFindingsInTheStatusAreBounded(t *testing.T) {
	states := map[types.NamespacedName]policy.SourceState{}
	for i := range 200 {
		states[types.NamespacedName{Namespace: strings.Repeat("n", 63), Name: strings.Repeat("s", 1+i)}] = policy.SourceState{
			Findings: []policy.Finding{{Reason: "Odd", Text: strings.Repeat("x", 1<<20)}},
		}
	}
	r := New(Options{Log: zerolog.Nop(), Changed: func() {}})
	r.Sources(states)
	text, err := status.Record{Totals: r.Totals()}.Encode()
	if totals := r.Totals(); len(totals.Sources) != status.ShownFindings || totals.SourcesLeftOut != 200-status.ShownFindings || err != nil {
		t.Errorf("%d shown, %d left out, %v", len(totals.Sources), totals.SourcesLeftOut, err)
	}
	if len(text) > 100<<10 {
		t.Errorf("%d bytes", len(text))
	}
}

// A copy of a credential that ended is as the policy says, so one pass (-runonce) is done. What a source lacks is not.
func TestACredentialThatEndedLeavesNothingUndone(t *testing.T) {
	r := New(Options{Log: zerolog.Nop(), Changed: func() {}})
	states := sources{cluster.NewProjector([]byte("key"))}
	r.Sources(states.with("one", plan.NewFinding(plan.SourceExpired, "it expired")))
	if first, n := r.Unfinished(); n > 0 || r.Totals().Problems == 0 {
		t.Errorf("%d are left: %s", n, first)
	}
	r.Sources(states.with("one", policy.Finding{Reason: "Refused", Text: "the registry says no", Problem: true}))
	if first, n := r.Unfinished(); n != 1 || first != "source pullsecrets/hub: the registry says no (Refused)" {
		t.Errorf("%d are left: %s", n, first)
	}
}
