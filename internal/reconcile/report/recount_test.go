package report

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// TestRunningSumsAreThoseOfARecount holds all that is summed up as namespaces come, fail and go against a Reporter that is told of
// what is there by then alone: with writes that fail, objects that changed meanwhile, and problems of no namespace.
func TestRunningSumsAreThoseOfARecount(t *testing.T) {
	reasons := []plan.Reason{plan.InSync, plan.Missing, plan.ForeignSecret, plan.OtherData, plan.SourceMissing, plan.PruneHeld, plan.Overridden, plan.RuleConflict}
	failures := []error{
		nil, errors.New("a webhook says no"), apierrors.NewConflict(kube.Secrets.GroupResource(), "c", nil), apply.ErrCameBack,
		apierrors.NewForbidden(kube.Secrets.GroupResource(), "c", errors.New(`User "u" cannot patch resource "secrets" in API group "" in the namespace "n"`)),
	}
	random := rand.New(rand.NewPCG(3, 4))
	r := New(Options{Log: zerolog.Nop(), Changed: func() {}, MaxFailing: 10})
	for range 1000 {
		todo := plan.Plan{Namespace: fmt.Sprint("n", random.IntN(9))}
		result := apply.Result{Namespace: todo.Namespace}
		for i := range random.IntN(4) {
			a := plan.Action{Kind: plan.KindSecret, Verb: plan.None, Name: fmt.Sprint("c", i), Reason: reasons[random.IntN(len(reasons))]}
			if random.IntN(3) > 0 {
				a.Rule = fmt.Sprint("r", random.IntN(2))
				todo.Rules = []plan.RuleReach{{Name: a.Rule, Accounts: random.IntN(2)}}
			}
			if a.Reason == plan.Missing {
				a.Verb = plan.Create
				result.Outcomes = append(result.Outcomes, apply.Outcome{Action: a, Err: failures[random.IntN(len(failures))]})
			}
			todo.Actions = append(todo.Actions, a)
		}
		switch random.IntN(8) {
		case 0:
			r.Forget(todo.Namespace)
		case 1:
			var of []status.Problem
			for i := range random.IntN(3) {
				of = append(of, status.Problem{Kind: "K", Name: fmt.Sprint("x", i), Reason: "Anything"})
			}
			r.OfNone(fmt.Sprint("part", random.IntN(2)), of)
		default:
			r.Record(todo, result, random.IntN(2) == 0)
		}
		again := New(r.Options)
		for ns, s := range r.namespaces {
			again.namespaces[ns] = s
			again.move(ns, nil, s)
		}
		for of, problems := range r.none {
			again.OfNone(of, problems)
		}
		if diff := cmp.Diff(again.Health(), r.Health(), cmp.AllowUnexported(Health{})); diff != "" {
			t.Fatalf("-recount +sums:\n%s", diff)
		}
		if diff := cmp.Diff(again.Totals(), r.Totals()); diff != "" {
			t.Fatalf("-recount +sums:\n%s", diff)
		}
		if diff := cmp.Diff(again.Rules(), r.Rules()); diff != "" {
			t.Fatalf("-recount +sums:\n%s", diff)
		}
		a, _ := again.AllProblems()
		b, _ := r.AllProblems()
		if diff := cmp.Diff(a, b); diff != "" {
			t.Fatalf("-recount +sums:\n%s", diff)
		}
	}
}
