package report

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// TestACopyIsMissingUntilItIsWritten holds when `evict` may count on a copy.
func TestACopyIsMissingUntilItIsWritten(t *testing.T) {
	denied := errors.New("denied")
	secret := func(verb plan.Verb, reason plan.Reason) plan.Action {
		return plan.Action{Verb: verb, Kind: plan.KindSecret, Name: "reg", Rule: "hub", Reason: reason}
	}
	kept := secret(plan.None, plan.SourceMissing)
	kept.Kept = true
	unwanted := secret(plan.Delete, plan.NotWanted)
	unwanted.Rule = ""
	account := plan.Action{Verb: plan.SetList, Kind: plan.KindServiceAccount, Name: "reg", Rule: "hub"}
	for _, c := range []struct {
		why     string
		action  plan.Action
		tried   bool
		err     error
		missing bool
	}{
		{"it was there", secret(plan.None, plan.InSync), false, nil, false},
		{"somebody else's has the same content", secret(plan.None, plan.EqualForeign), false, nil, false},
		{"it was made", secret(plan.Create, plan.Missing), true, nil, false},
		{"it could not be made", secret(plan.Create, plan.Missing), true, denied, true},
		{"it was not tried, because something before it failed", secret(plan.Create, plan.Missing), false, nil, true},
		{"it is there with the content of before", secret(plan.Update, plan.SourceChanged), true, denied, false},
		{"it was deleted, and could not be made again", secret(plan.Replace, plan.TypeChanged), true, denied, true},
		{"somebody else's is in its place", secret(plan.None, plan.ForeignSecret), false, nil, true},
		{"it is somebody else's now", secret(plan.Release, plan.ForeignSecret), true, nil, true},
		{"its source is missing", secret(plan.None, plan.SourceMissing), false, nil, true},
		{"its source is missing, and the copy stays", kept, false, nil, false},
		{"another rule makes it", secret(plan.None, plan.RuleConflict), false, nil, false},
		{"another rule makes it, as it is meant", secret(plan.None, plan.Overridden), false, nil, false},
		{"no rule wants it", unwanted, true, nil, false},
		{"a service account is no copy", account, true, denied, false},
	} {
		r := New(Options{Log: zerolog.Nop(), Changed: func() {}})
		result := apply.Result{Namespace: "a"}
		if c.tried {
			result.Outcomes = []apply.Outcome{{Action: c.action, Err: c.err}}
		}
		r.Record(plan.Plan{Namespace: "a", Actions: []plan.Action{c.action}}, result, false)
		there, known := r.Totals().Place("a", "reg")
		if there == c.missing || !known {
			t.Errorf("%s: it is there: %t, which is known: %t", c.why, there, known)
		}
		if r.Forget("a"); len(r.Totals().Missing) > 0 {
			t.Errorf("%s: the namespace is gone, and its copy is missing", c.why)
		}
	}
}

func TestACopyThatIsMadeIsNoLongerMissing(t *testing.T) {
	changes := 0
	r := New(Options{Log: zerolog.Nop(), Changed: func() { changes++ }})
	for _, err := range []error{errors.New("denied"), nil, nil} {
		one := plan.Action{Verb: plan.Create, Kind: plan.KindSecret, Name: "reg", Rule: "hub", Reason: plan.Missing}
		r.Record(plan.Plan{Namespace: "a", Actions: []plan.Action{one}}, apply.Result{Outcomes: []apply.Outcome{{Action: one, Err: err}}}, false)
	}
	if got := r.Totals(); len(got.Missing) > 0 || got.MissingCut {
		t.Errorf("%+v", got)
	}
	if changes != 2 {
		t.Errorf("the status would be written %d times", changes)
	}
}

func TestMissingCopiesAreBounded(t *testing.T) {
	r := New(Options{Log: zerolog.Nop(), Changed: func() {}})
	lacks := func(namespace string, names ...string) {
		p := plan.Plan{Namespace: namespace}
		for _, name := range names {
			p.Actions = append(p.Actions, plan.Action{Verb: plan.None, Kind: plan.KindSecret, Name: name, Rule: "hub", Reason: plan.SourceMissing})
		}
		r.Record(p, apply.Result{}, false)
	}
	for i := range shownLacking + 1 {
		lacks(fmt.Sprintf("n%03d", i), "a", "b")
	}
	lacks("n000", "b")
	place := func(namespace, name string) string {
		there, known := r.Totals().Place(namespace, name)
		return fmt.Sprint(there, known)
	}
	for _, c := range []struct{ namespace, name, want string }{
		{"n000", "a", "true true"}, {"n001", "a", "false true"}, {"other", "a", "true true"},
		{"n000", "b", "false true"}, {"n100", "b", "false false"}, {"other", "b", "false false"}, {"n001", "c", "true true"},
	} {
		if diff := cmp.Diff(c.want, place(c.namespace, c.name)); diff != "" {
			t.Errorf("%s in %s: %s", c.name, c.namespace, diff)
		}
	}
	for i := range shownMissing + 1 {
		lacks(fmt.Sprintf("n%03d", i), fmt.Sprintf("name-%d", i))
	}
	got := r.Totals()
	if len(got.Missing) != shownMissing || !got.MissingCut {
		t.Errorf("%d names, cut: %t", len(got.Missing), got.MissingCut)
	}
	if diff := cmp.Diff("false false", place("n001", "zzz")); diff != "" {
		t.Error("of a name that is left out, something is known")
	}
	if text, err := (status.Record{Totals: got}).Encode(); err != nil || len(status.Decode(text).Missing) != shownMissing {
		t.Error("they are not read as they were written", err)
	}
}
