package reconcile

import (
	"context"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/prune"
)

// activate puts a policy in force and has every namespace decided under it. If it would remove too much, it removes
// nothing until it is confirmed; what it adds is added.
func (j *judge) activate(ctx context.Context, p *policy.Policy) {
	gone, all := j.c.wouldRemove(p)
	n := prune.Total(gone)
	switch {
	case n == plan.Count{} || !j.fixed() && !j.c.ceiling.TooMany(n, all):
		j.c.ceiling.Accept()
	case j.confirmed():
		j.c.ceiling.Release()
	default:
		j.c.ceiling.Hold()
		j.c.Log.Warn().Int("removedCopies", n.Copies).Int("copies", all.Copies).
			Int("removedReferences", n.References).Int("references", all.References).Int("max-prune", j.c.MaxPrune).Msg(j.c.explain(plan.PruneHeld))
	}
	j.begin(ctx, p, gone)
}

// begin has every namespace tried under a policy; gone is what that removes in each, if nothing is held.
func (j *judge) begin(ctx context.Context, p *policy.Policy, gone map[string]plan.Count) {
	j.c.admission.begin(ctx, p)
	j.c.pass.begin(p, gone)
	j.c.active.Store(p)
	j.c.enqueueAll()
	for namespace := range gone { // one that went in the meantime has to be tried too, or the pass never ends
		j.c.enqueue(namespace, false)
	}
}

// confirmed reports whether the user confirmed what the text that was judged last removes, and uses the confirmation
// up. It counts again once the annotation was taken away and set anew.
func (j *judge) confirmed() bool {
	if j.verdict.errors != nil || !prune.Confirmed(j.policyMap(), j.verdict.hash, j.spent) {
		return false
	}
	j.spent = j.verdict.hash
	return true
}

// unspend takes note that the annotation of a confirmation that was used up is gone.
func (j *judge) unspend() {
	if cm := j.policyMap(); cm != nil && cm.Annotations[cluster.AnnotationConfirmPrune] != j.spent {
		j.spent = ""
	}
}

// confirm ends the holding back, when the user confirmed it or there is nothing left to hold back. It runs at every wake, so
// it plans the whole cluster only where one of these may be so.
func (j *judge) confirm(ctx context.Context) {
	p := j.c.active.Load()
	if p == nil || !j.c.ceiling.Held() {
		return
	}
	confirmed := j.confirmed()
	if !confirmed && (!j.c.pass.complete(p) || j.c.report.anyHeld()) {
		return
	}
	gone, _ := j.c.wouldRemove(p)
	switch {
	case confirmed:
		j.c.ceiling.Release()
	case prune.Total(gone) == plan.Count{}:
		j.c.ceiling.Accept()
	default:
		return
	}
	j.begin(ctx, p, gone)
}
