package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// TestAProblemOutlastsAWriteThatCameTooLate has somebody write the object at the moment of the next try.
func TestAProblemOutlastsAWriteThatCameTooLate(t *testing.T) {
	for _, err := range []error{&apply.Altered{Differs: []string{"it differs"}}, errors.New("denied")} {
		r := New(Options{Log: zerolog.Nop(), Changed: func() {}})
		a := plan.Action{Verb: plan.SetList, Kind: plan.KindServiceAccount, Name: "ci", UID: "one", List: &plan.List{Names: []string{"hub"}}}
		todo := plan.Plan{Namespace: "a", Actions: []plan.Action{a}}
		record := func(err error) {
			r.Record(todo, apply.Result{Namespace: "a", Outcomes: []apply.Outcome{{Action: a, Err: err}}}, false)
		}
		record(err)
		before := r.problemCounts()
		record(apierrors.NewConflict(kube.ServiceAccounts.GroupResource(), "ci", nil))
		if after := r.problemCounts(); len(before) != 1 || !maps.Equal(before, after) {
			t.Errorf("%v becomes %v", before, after)
		}
		record(nil)
		if r.Totals().Problems > 0 {
			t.Errorf("it is still a problem: %v", r.problemCounts())
		}
	}
}

// TestTheStatusIsBounded has ten thousand rules, and problems that say much.
func TestTheStatusIsBounded(t *testing.T) {
	r := New(Options{Log: zerolog.Nop(), Changed: func() {}, Explain: plan.Reason.Explain})
	todo := plan.Plan{Namespace: "a"}
	for i := range 10_000 {
		todo.Actions = append(todo.Actions, plan.Action{Kind: plan.KindSecret, Rule: fmt.Sprintf("%0253d", i), Name: "x"})
	}
	changes := apply.Result{Namespace: "a"}
	for i := range 100 {
		changes.Outcomes = append(changes.Outcomes, apply.Outcome{
			Action: plan.Action{Kind: plan.KindSecret, Verb: plan.Create, Rule: strings.Repeat("r", 253), Name: fmt.Sprintf("%0253d", i)},
			Err:    errors.New("no"),
		})
	}
	r.Record(todo, changes, false)
	r.OfNone("x", []status.Problem{{Kind: "K", Name: "n", Reason: "R", Detail: strings.Repeat("<", 1<<20)}})
	text, err := status.Record{Status: status.Ready, Totals: r.Totals()}.Encode()
	if err != nil || len(text) > 400<<10 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	for line := range strings.Lines(text) {
		if len(line) > bound.MaxLine {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	var shown struct {
		Copies       map[string]int
		RulesLeftOut int
		ProblemCount int
		Problems     []any
	}
	if err := json.Unmarshal([]byte(text), &shown); err != nil {
		t.Fatal(err)
	}
	if len(shown.Copies) != status.ShownRules || shown.RulesLeftOut != 10_000-status.ShownRules || shown.ProblemCount != 101 || len(shown.Problems) != shownProblems {
		t.Errorf("%d rules, %d left out, %d problems of %d", len(shown.Copies), shown.RulesLeftOut, len(shown.Problems), shown.ProblemCount)
	}
	if first := slices.Min(slices.Collect(maps.Keys(shown.Copies))); first != fmt.Sprintf("%0253d", 0) {
		t.Errorf("the first rule is %s", first)
	}
}
