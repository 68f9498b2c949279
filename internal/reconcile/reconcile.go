package reconcile

import (
	"context"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// unsure is how soon a namespace is decided again that was not worked on because it was not sure whether the Lease is still ours.
const unsure = time.Second

// reconcile is the whole way of one namespace: observe, decide, act, report. again is when to do it again although nothing
// failed; 0 is when something changes.
func (c *Controller) reconcile(ctx context.Context, namespace string, urgent bool) (again time.Duration, err error) {
	p := c.activator.Active()
	if p == nil {
		return 0, nil
	}
	began, published := time.Now(), c.publisher.Published()
	todo, removes, ok := c.decide(p, namespace)
	if !ok {
		c.forget(p, namespace)
		return 0, nil
	}
	c.publisher.Note(todo)
	result := c.executor.Apply(ctx, todo, urgent)
	c.limit.Return(removes.Minus(result.Removed()), removes.at)
	switch {
	case ctx.Err() != nil:
		return 0, nil // what failed, failed because we are stopping
	case !c.Election.Holds(): // what failed, failed because of that; and a renewal that is under way may succeed yet
		return unsure, nil
	}
	c.record(p, todo, result, time.Since(began))
	if c.publisher.Published() != published { // what it had decided again may have come too early for what was written here
		c.enqueue(namespace, false)
	}
	return result.Again(), result.Err()
}

// removals are what was asked of the limit, and when.
type removals struct {
	plan.Count
	at time.Time
}

// decide decides a namespace, without its removals if they are too many. It returns false when the namespace is gone.
func (c *Controller) decide(p *policy.Policy, namespace string) (todo plan.Plan, asked removals, ok bool) {
	in, have, ok := state.Observe(c.cluster, p, namespace, c.untilReplaced(p, c.circumstances(c.limit.Held())))
	if !ok {
		return todo, asked, false
	}
	todo = plan.Decide(p, in, have)
	c.activator.Track(todo.Untracked)
	c.limit.Seen(namespace, todo.There)
	// What the policy itself brings about was held against the limit before it came in force.
	asked = removals{todo.Removed().Minus(c.activator.Allowed(p, namespace)), time.Now()}
	if asked.Count != (plan.Count{}) && !c.limit.Allow(asked.Count, asked.at) {
		have.HoldPrune = true
		todo, asked.Count = plan.Decide(p, in, have), plan.Count{}
	}
	return todo, asked, true
}

// circumstances are what a decision depends on besides the view of the cluster.
func (c *Controller) circumstances(hold bool) state.Circumstances {
	now := state.Circumstances{HoldPrune: hold, Insisted: c.executor.Insisted, Attached: c.publisher.Attached}
	if published := c.publisher.Published(); published != nil {
		now.Guaranteed = published.Add
	}
	return now
}

// untilReplaced are the circumstances of a policy that is in force, and perhaps not for long: while another one is about to come
// in force, only what the API server keeps under both is guaranteed.
func (c *Controller) untilReplaced(p *policy.Policy, now state.Circumstances) state.Circumstances {
	coming := c.publisher.Coming(p)
	if coming == nil {
		return now
	}
	now.Promised = coming.Add
	if published := now.Guaranteed; published != nil {
		now.Guaranteed = func(ns *cluster.Namespace, account *cluster.ServiceAccount, name string) bool {
			return published(ns, account, name) && coming.Add(ns, account, name)
		}
	}
	return now
}

// decideAll decides all namespaces under a policy, with nothing held. The policy may be one that is not in force yet: then the
// parameters that were written last are those of the one before it, and what they add is what this one may take away.
func (c *Controller) decideAll(p *policy.Policy, each func(plan.Plan)) {
	state.DecideAll(c.cluster, p, c.circumstances(false), each)
}

// record tells everybody what came of a namespace.
func (c *Controller) record(p *policy.Policy, todo plan.Plan, result apply.Result, took time.Duration) {
	c.metrics.Reconciled(result, took)
	c.reporter.Record(todo, result, c.queue.Early(todo.Namespace))
	c.activator.Attempted(p, todo.Namespace, todo.Waits(), result.Done())
}

// forget tells everybody that a namespace is gone.
func (c *Controller) forget(p *policy.Policy, namespace string) {
	c.metrics.Gone()
	c.reporter.Forget(namespace)
	c.limit.Seen(namespace, plan.Count{})
	c.publisher.Note(plan.Plan{Namespace: namespace})
	c.activator.Attempted(p, namespace, false, true)
}
