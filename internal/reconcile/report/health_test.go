package report

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// TestTheLimitIsExact: as many may fail as are not more than the percentage, without any rounding up.
func TestTheLimitIsExact(t *testing.T) {
	for percent := range 101 {
		for selected := range 500 {
			h := Health{Selected: selected, Limit: Limit(selected, percent)}
			for h.Failing = range selected + 1 {
				if want := h.Failing*100 > percent*selected; h.Exceeded() != want {
					t.Fatalf("%d of %d at %d percent: %t, want %t", h.Failing, selected, percent, h.Exceeded(), want)
				}
			}
		}
	}
}

// TestWhatDegradesThePolicy has problems of both scopes.
func TestWhatDegradesThePolicy(t *testing.T) {
	const percent = 10
	own := plan.Action{Kind: plan.KindSecret, Rule: "a", Name: "reg", Reason: plan.ForeignSecret}
	contested := plan.Action{Kind: plan.KindSecret, Rule: "a", Name: "two", Reason: plan.DeletionPending}
	ofPolicy := plan.Action{Kind: plan.KindSecret, Rule: "a", Name: "reg", Reason: plan.SourceMissing}
	fine := plan.Action{Kind: plan.KindSecret, Rule: "a", Name: "reg", Reason: plan.InSync}
	left := plan.Action{Kind: plan.KindSecret, Name: "old", Reason: plan.OtherData}
	for _, c := range []struct {
		why                       string
		selected                  int
		actions                   [][]plan.Action // of the first namespaces; the others are fine
		selects, failing, allowed int
		degraded                  bool
		text                      string
	}{
		{"nothing is wrong", 10, nil, 10, 0, 1, false, ""},
		{"there is nothing", 0, nil, 0, 0, 0, false, ""},
		{"one of few", 9, [][]plan.Action{{own}}, 9, 1, 0, true,
			"1 of 9 namespaces has problems of its own, more than the 0 that -max-failing allows: 1 ForeignSecret"},
		{"one of enough", 10, [][]plan.Action{{own}}, 10, 1, 1, false, "1 of 10 namespaces has problems of its own: 1 ForeignSecret"},
		{"a namespace with two counts once", 20, [][]plan.Action{{own, contested}, {own}}, 20, 2, 2, false,
			"2 of 20 namespaces have problems of their own: 2 ForeignSecret, 1 DeletionPending"},
		{"what is left where no rule selects counts with the others", 9, [][]plan.Action{{left}}, 10, 1, 1, false,
			"1 of 10 namespaces has problems of its own: 1 OtherData"},
		{"one that is left, and there is no rule", 0, [][]plan.Action{{left}}, 1, 1, 0, true,
			"1 of 1 namespaces has problems of its own, more than the 0 that -max-failing allows: 1 OtherData"},
		{"a problem of the policy, in one of many", 100, [][]plan.Action{{ofPolicy}}, 100, 0, 10, true, ""},
		{"one of the policy in a namespace that has one of its own too", 100, [][]plan.Action{{ofPolicy, contested}}, 100, 1, 10, true,
			"1 of 100 namespaces has problems of its own: 1 DeletionPending"},
	} {
		r := New(Options{Log: zerolog.Nop(), Changed: func() {}, MaxFailing: percent})
		for i, actions := range c.actions {
			r.Record(plan.Plan{Namespace: fmt.Sprint("x", i), Actions: actions}, apply.Result{}, false)
			if actions[0].Rule != "" {
				c.selected--
			}
		}
		for i := range c.selected {
			r.Record(plan.Plan{Namespace: fmt.Sprint("fine", i), Actions: []plan.Action{fine}}, apply.Result{}, false)
		}
		r.Record(plan.Plan{Namespace: "nobody asks for it"}, apply.Result{}, false)
		h, totals := r.Health(), r.Totals()
		if h.Selected != c.selects || h.Failing != c.failing || h.Limit != c.allowed || h.Degraded() != c.degraded || h.String() != c.text {
			t.Errorf("%s: degraded is %t, %q, %+v", c.why, h.Degraded(), h, h)
		}
		if totals.Selected != c.selects || totals.Failing != c.failing {
			t.Errorf("%s: the status says %d of %d", c.why, totals.Failing, totals.Selected)
		}
		m := newMetrics()
		m.report = r
		series := gathered(t, m)
		got := []float64{series["pullsecrets_namespaces_selected"], series["pullsecrets_namespaces_failing"], series["pullsecrets_namespaces_failing_limit"]}
		if want := []float64{float64(c.selects), float64(c.failing), float64(c.allowed)}; !cmp.Equal(got, want) {
			t.Errorf("%s: the metrics say %v, want %v", c.why, got, want)
		}
	}
}

// TestHealthIsThatOfWhatIsThere holds the running sums against a count of everything, on random histories.
func TestHealthIsThatOfWhatIsThere(t *testing.T) {
	reasons := []plan.Reason{plan.InSync, plan.ForeignSecret, plan.OtherInstallation, plan.OtherData, plan.SourceMissing, plan.PruneHeld}
	random := rand.New(rand.NewPCG(1, 2))
	r := New(Options{Log: zerolog.Nop(), Changed: func() {}, MaxFailing: 10})
	all := map[string]plan.Plan{}
	for range 3000 {
		todo := plan.Plan{Namespace: fmt.Sprint("n", random.IntN(12))}
		for i := range random.IntN(4) {
			a := plan.Action{Kind: plan.KindSecret, Name: fmt.Sprint("c", i), Reason: reasons[random.IntN(len(reasons))]}
			if random.IntN(2) == 0 {
				a.Rule = "a"
			}
			todo.Actions = append(todo.Actions, a)
		}
		if random.IntN(5) == 0 {
			r.Forget(todo.Namespace)
			delete(all, todo.Namespace)
		} else {
			r.Record(todo, apply.Result{}, false)
			all[todo.Namespace] = todo
		}
		want := Health{reasons: map[string]int{}}
		ofPolicy := map[string]bool{}
		for _, one := range all {
			own := map[string]bool{}
			for _, a := range one.Actions {
				switch a.Reason.Meaning().Scope {
				case plan.ScopeNamespace:
					own[string(a.Reason)] = true
				case plan.ScopePolicy:
					ofPolicy[string(a.Reason)+a.Rule+a.Name] = true
				}
			}
			if len(own) > 0 || one.Selected() {
				want.Selected++
			}
			if len(own) > 0 {
				want.Failing++
			}
			for reason := range own {
				want.reasons[reason]++
			}
		}
		want.OfPolicy, want.Limit = len(ofPolicy), want.Selected/10
		if diff := cmp.Diff(want, r.Health(), cmp.AllowUnexported(Health{})); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	}
}

// TestThePolicysProblemsAreShownFirst, however many namespaces have their own.
func TestThePolicysProblemsAreShownFirst(t *testing.T) {
	r := New(Options{Log: zerolog.Nop(), Changed: func() {}, MaxFailing: 10})
	for i := range 3 * shownProblems {
		r.Record(plan.Plan{Namespace: fmt.Sprint("n", i), Actions: []plan.Action{
			{Kind: plan.KindSecret, Rule: "a", Name: fmt.Sprint("c", i), Reason: plan.ForeignSecret},
		}}, apply.Result{}, false)
	}
	r.Record(plan.Plan{Namespace: "z", Actions: []plan.Action{{Kind: plan.KindSecret, Rule: "z", Name: "z", Reason: plan.RuleConflict}}}, apply.Result{}, false)
	r.OfNone("x", []status.Problem{{Kind: "K", Name: "n", Reason: "Anything", Detail: "why"}})
	first := r.Totals().First
	if len(first) != shownProblems || first[0].Reason != "Anything" || first[1].Reason != string(plan.RuleConflict) || first[2].Reason != string(plan.ForeignSecret) {
		t.Errorf("%+v", first)
	}
	for i, p := range first {
		if want := map[bool]plan.Scope{true: plan.ScopePolicy, false: plan.ScopeNamespace}[i < 2]; p.Scope != string(want) {
			t.Errorf("%s has the scope %q", p.Reason, p.Scope)
		}
	}
}

// TestAMissingVerbIsThePolicys: the roles lack it for all namespaces, also where a write was tried in one alone.
func TestAMissingVerbIsThePolicys(t *testing.T) {
	for _, c := range []struct {
		kind     plan.Kind
		resource string
		err      error
		reason   string
		degrades bool
	}{
		{plan.KindSecret, "secrets", errors.New(`User "u" cannot create resource "secrets" in API group "" in the namespace "n0"`), string(plan.CopyForbidden), true},
		{plan.KindServiceAccount, "serviceaccounts", errors.New(`User "u" cannot patch resource "serviceaccounts" in API group "" in the namespace "n0"`), AccountsForbidden, true},
		{plan.KindServiceAccount, "serviceaccounts", errors.New("a webhook says no"), WriteFailed, false},
	} {
		r := New(Options{Log: zerolog.Nop(), Changed: func() {}, MaxFailing: 10})
		resource := kube.Secrets.GroupResource()
		resource.Resource = c.resource
		for i := range 20 {
			a := plan.Action{Kind: c.kind, Verb: plan.Update, Rule: "a", Name: "x"}
			todo := plan.Plan{Namespace: fmt.Sprint("n", i), Actions: []plan.Action{{Kind: plan.KindSecret, Rule: "a", Name: "reg", Reason: plan.InSync}}}
			result := apply.Result{}
			if i < 2 {
				result.Outcomes = []apply.Outcome{{Action: a, Err: apierrors.NewForbidden(resource, "x", c.err)}}
			}
			r.Record(todo, result, false)
		}
		h := r.Health()
		if got := r.Totals().First; len(got) != 1 || got[0].Reason != c.reason || h.Degraded() != c.degrades || strings.Contains(got[0].Detail, "n0") {
			t.Errorf("%s: degraded is %t, by %+v", c.reason, h.Degraded(), got)
		}
	}
}

// TestOtherCountsAreNoNews, also where another reason has the most namespaces by then, or one namespace alone fails.
func TestOtherCountsAreNoNews(t *testing.T) {
	text := func(foreign, other int) string {
		r := New(Options{Log: zerolog.Nop(), Changed: func() {}, MaxFailing: 10})
		for i := range foreign + other {
			reason := plan.ForeignSecret
			if i >= foreign {
				reason = plan.DeletionPending
			}
			r.Record(plan.Plan{Namespace: fmt.Sprint("n", i), Actions: []plan.Action{{Kind: plan.KindSecret, Rule: "a", Name: "reg", Reason: reason}}}, apply.Result{}, false)
		}
		return r.Health().Uncounted().String()
	}
	if a, b := text(1, 2), text(2, 1); a != b {
		t.Errorf("it is news that\n%s\nis\n%s", a, b)
	}
}
