package activation

import (
	"context"
	"maps"
	"slices"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/admission"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/prune"
)

// survey is what a policy comes to in all namespaces, if nothing is held.
type survey struct {
	removes   map[string]plan.Count // by namespace; one that loses nothing has an entry too
	there     plan.Count            // what there is in all
	admission admission.Survey
}

// survey decides all namespaces once, for the limit, for the admission parameters and for the roll-out.
func (a *Activator) survey(p *policy.Policy) survey {
	s := survey{removes: map[string]plan.Count{}, admission: a.Publisher.NewSurvey()}
	a.DecideAll(p, func(todo plan.Plan) {
		s.removes[todo.Namespace] = todo.Removed()
		s.there = s.there.Plus(todo.There)
		s.admission.Add(todo)
		a.Limit.Seen(todo.Namespace, todo.There)
	})
	return s
}

// Activate puts a policy in force and has every namespace decided under it. If it would remove too much, it removes
// nothing until it is confirmed; what it adds is added.
func (a *Activator) Activate(ctx context.Context, p *policy.Policy) {
	all := a.survey(p)
	n := prune.Total(all.removes)
	switch {
	case n == plan.Count{} || !a.fixed() && !a.Limit.TooMany(n, all.there):
		a.Limit.Accept()
	case a.confirmed():
		a.Limit.Release()
	default:
		a.Limit.Hold()
		a.Log.Warn().Int("removedCopies", n.Copies).Int("copies", all.there.Copies).
			Int("removedReferences", n.References).Int("references", all.there.References).Int("max-prune", a.MaxPrune).
			Msg(a.Reporter.Explain(plan.PruneHeld))
	}
	a.startRollout(ctx, p, all)
}

// startRollout has every namespace tried under a policy.
func (a *Activator) startRollout(ctx context.Context, p *policy.Policy, all survey) {
	a.Publisher.Begin(ctx, p, all.admission)
	a.rollout.begin(p, all.removes)
	a.active.Store(p)
	a.Requeue(slices.Collect(maps.Keys(all.removes))) // one that went in the meantime has to be tried too, or the roll-out never ends
}

// ReleaseHeldPrune ends the holding back, when the user confirmed it or there is nothing left to hold back. It runs at every
// wake, so it decides all namespaces only where one of these may be so.
func (a *Activator) ReleaseHeldPrune(ctx context.Context) {
	p := a.Active()
	if p == nil || !a.Limit.Held() {
		return
	}
	confirmed := a.confirmed()
	if !confirmed && (!a.rollout.done(p) || a.Reporter.AnyHeld()) {
		return
	}
	all := a.survey(p)
	switch {
	case confirmed:
		a.Limit.Release()
	case prune.Total(all.removes) == plan.Count{}:
		a.Limit.Accept()
	default:
		return
	}
	a.startRollout(ctx, p, all)
}

// confirmed reports whether the user confirmed what the last text removes, and uses the confirmation up. It counts again once
// the annotation was taken away and set anew.
func (a *Activator) confirmed() bool {
	hash := a.evaluator.evaluation.hash
	if a.evaluator.evaluation.errors != nil || !prune.Confirmed(a.Cluster.PolicyMap(), hash, a.usedConfirmation) {
		return false
	}
	a.usedConfirmation, a.releasing = hash, true
	return true
}

// spentConfirmation is the one that no process may count again. Until every namespace was tried and something removed, the next
// process may: this one can end before it removed anything, and what the user confirmed would be held for ever.
func (a *Activator) spentConfirmation() string {
	if a.releasing && !(a.tried() && a.rollout.removed()) {
		return ""
	}
	a.releasing = false
	return a.usedConfirmation
}

// noteConfirmation takes note that the annotation of a confirmation that was used up is gone.
func (a *Activator) noteConfirmation() {
	if cm := a.Cluster.PolicyMap(); cm != nil && cm.Annotations[cluster.AnnotationConfirmPrune] != a.usedConfirmation {
		a.usedConfirmation = ""
	}
}
