package report

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// TestWhatCameOfEachRule follows two rules through a write that fails, one that comes too late, and the end of both.
func TestWhatCameOfEachRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes := 0
		r := New(Options{Log: zerolog.Nop(), Changed: func() { changes++ }, Explain: plan.Reason.Explain})
		hub := plan.Action{Verb: plan.Create, Kind: plan.KindSecret, Name: "reg", Rule: "hub"}
		list := plan.Action{Verb: plan.SetList, Kind: plan.KindServiceAccount, Name: "default", Rule: "hub", Serves: true, List: &plan.List{}}
		record := func(ns string, errs map[plan.Kind]error, rules ...plan.RuleReach) {
			todo := plan.Plan{Namespace: ns, Actions: []plan.Action{list, hub}, Rules: rules}
			r.Record(todo, apply.Result{Namespace: ns, Outcomes: []apply.Outcome{{Action: list, Err: errs[plan.KindServiceAccount]}, {Action: hub, Err: errs[plan.KindSecret]}}}, false)
		}
		want := func(totals ...status.RuleTotals) {
			t.Helper()
			byName := map[string]status.RuleTotals{}
			for _, t := range totals {
				byName[t.Name] = t
			}
			if diff := cmp.Diff(byName, r.Rules()); diff != "" {
				t.Error(diff)
			}
		}
		both := []plan.RuleReach{{Name: "hub", Accounts: 1}, {Name: "more"}}
		denied := map[plan.Kind]error{plan.KindSecret: errors.New("denied")}
		record("a", nil, both...)
		record("b", denied, both...)
		since := time.Now().UTC().Format(time.RFC3339)
		failing := status.RuleTotals{Name: "hub", Namespaces: 2, Copies: 1, Missing: 1, ServiceAccounts: 2, Unsynced: 1, OldestUnsynced: since, OldestNamespace: "b"}
		want(failing, status.RuleTotals{Name: "more", Namespaces: 2})

		time.Sleep(time.Hour)
		before := changes
		record("b", denied, both...)
		if want(failing, status.RuleTotals{Name: "more", Namespaces: 2}); changes != before {
			t.Errorf("the same is told %d times more", changes-before)
		}
		record("b", map[plan.Kind]error{plan.KindSecret: apierrors.NewConflict(kube.Secrets.GroupResource(), "reg", nil)}, both...)
		if got := r.Rules()["hub"]; got.Unsynced != 1 || got.OldestUnsynced != since {
			t.Errorf("a write that came too late leaves %+v", got)
		}
		record("b", denied, both...)

		record("a", map[plan.Kind]error{plan.KindServiceAccount: errors.New("denied")}, both...) // one write for all that give names
		later := failing
		later.Unsynced = 2
		want(later, status.RuleTotals{Name: "more", Namespaces: 2})

		record("b", nil, both...)
		record("a", nil, both[0])
		want(status.RuleTotals{Name: "hub", Namespaces: 2, Copies: 2, ServiceAccounts: 2}, status.RuleTotals{Name: "more", Namespaces: 1})
		r.Forget("a")
		r.Forget("b")
		want()
	})
}

// TestAllProblemsAreTold with all their namespaces, and another version of them only where they are others.
func TestAllProblemsAreTold(t *testing.T) {
	r := New(Options{Log: zerolog.Nop(), Changed: func() {}, Explain: plan.Reason.Explain})
	foreign := plan.Action{Verb: plan.None, Kind: plan.KindSecret, Name: "reg", Rule: "hub", Reason: plan.ForeignSecret}
	var names []string
	for i := range 50 {
		ns := fmt.Sprintf("n%02d", i)
		names = append(names, ns)
		r.Record(plan.Plan{Namespace: ns, Actions: []plan.Action{foreign}}, apply.Result{Namespace: ns}, false)
	}
	r.OfNone("x", []status.Problem{{Kind: "Policy", Name: "x", Reason: "R", Detail: "it is"}})
	all, version := r.AllProblems()
	var got []string
	for _, p := range all {
		if p.Reason == string(plan.ForeignSecret) {
			got = p.Namespaces
		} else if p.Namespaces != nil {
			t.Errorf("a problem of no namespace is of %v", p.Namespaces)
		}
	}
	if diff := cmp.Diff(names, got); diff != "" || len(all) != 2 {
		t.Errorf("%d problems: %s", len(all), diff)
	}
	r.Record(plan.Plan{Namespace: "n00", Actions: []plan.Action{foreign}}, apply.Result{Namespace: "n00"}, false)
	r.Record(plan.Plan{Namespace: "fine"}, apply.Result{Namespace: "fine"}, false)
	if r.ProblemVersion() != version {
		t.Error("the same problems have another version")
	}
	r.Record(plan.Plan{Namespace: "n49"}, apply.Result{Namespace: "n49"}, false)
	if r.ProblemVersion() == version {
		t.Error("a namespace that is mended leaves the version as it is")
	}
}
