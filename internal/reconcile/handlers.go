package reconcile

import (
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

// handlers say what each event leads to: a namespace in the queue, or a look at the policy.
func (c *Controller) handlers() state.Handlers {
	return state.Handlers{
		Namespace: c.namespaceEvent,
		Account:   c.accountEvent,
		Copy:      c.copyEvent,
		Source:    func(watch.Event) { c.sourceChanged() },
		ConfigMap: func(watch.Event) { c.activator.Wake() },
		Parameter: func(watch.Event) {
			c.publisher.MarkChanged()
			c.activator.Wake()
		},
		Failed:    c.requestFailed,
		Untracked: c.untrackedFailed,
		Sources: func(states map[types.NamespacedName]policy.SourceState) {
			c.metrics.SetSources(states)
			c.reporter.Sources(states)
		},
	}
}

func (c *Controller) namespaceEvent(e watch.Event) {
	before, _ := e.Old.(*cluster.Namespace)
	after, _ := e.New.(*cluster.Namespace)
	name := e.Object().GetName()
	if after == nil || after.Terminating || before != nil && before.UID != after.UID {
		c.executor.Forget(name)
	}
	isNew := before == nil && !e.Initial
	switch {
	case isNew && c.awaitsAccount(after):
		c.reporter.Waits(name)
		c.queue.AddUrgentAfter(name, accountPatience)
	case before == nil || after == nil || !before.SameDecision(after):
		c.enqueue(name, isNew)
	}
}

// accountPatience is how long a new namespace is left alone that has no service account yet. The cluster makes the first one within
// 15 ms as a rule, and if copies were just being written then, it would have to wait for them: a namespace is worked on by one
// worker at a time. No pod can be there before its account is.
const accountPatience = 100 * time.Millisecond

// awaitsAccount reports whether the next thing to do in a namespace is to write to the account that the cluster is about to make.
func (c *Controller) awaitsAccount(ns *cluster.Namespace) bool {
	p := c.activator.Active()
	if p == nil || ns.Excluded || ns.Terminating {
		return false
	}
	if there, known := c.cluster.Accounts(ns.Name); !known || len(there) > 0 {
		return false
	}
	return slices.ContainsFunc(p.Rules, func(r *policy.Rule) bool {
		return r.Attach != policy.AttachPods && r.Namespaces.Matches(ns.Name, ns.Labels) && r.ServiceAccounts.MatchesName("default")
	})
}

func (c *Controller) accountEvent(e watch.Event, own bool) {
	if e.Old != nil && (e.New == nil || e.Old.GetUID() != e.New.GetUID()) {
		c.executor.ForgetAccount(e.Old)
	}
	if !own {
		c.enqueue(e.Object().GetNamespace(), e.Old == nil && !e.Initial)
	}
}

func (c *Controller) copyEvent(e watch.Event, own bool) {
	if own {
		return
	}
	name, urgent := e.Object().GetNamespace(), false
	if e.New == nil { // without it, pods cannot pull; those of a namespace that goes need not
		ns := c.cluster.Namespace(name)
		urgent = ns != nil && !ns.Terminating
	}
	c.enqueue(name, urgent)
}

// sourceChanged has everything decided again with the sources as they are now. An informer that became settled or forbidden may
// be one of a source, so it leads here too.
func (c *Controller) sourceChanged() {
	c.cluster.ForgetSources()
	c.publisher.SourcesChanged()
	c.requeueAll(nil)
	c.activator.Wake()
}

// enqueue has a namespace decided. While no policy is in force there is nothing to decide by: all are enqueued once there is.
func (c *Controller) enqueue(namespace string, urgent bool) {
	if c.activator.Active() == nil {
		return
	}
	c.reporter.Waits(namespace)
	if urgent {
		c.queue.AddUrgent(namespace)
	} else {
		c.queue.Add(namespace)
	}
}

// requeueAll has all namespaces decided, and these too, which may be gone.
func (c *Controller) requeueAll(these []string) {
	if c.activator.Active() == nil {
		return
	}
	all := map[string]bool{} // each once: one that is added again while it is worked on is decided a second time
	for _, ns := range c.cluster.Namespaces() {
		all[ns.Name] = true
	}
	for _, namespace := range these {
		all[namespace] = true
	}
	for namespace := range all {
		c.enqueue(namespace, false)
	}
}

// requestFailed tells of a list or watch that failed.
func (c *Controller) requestFailed(what kube.Target, err error) {
	if c.Documents != nil && what.Resource == kube.ConfigMaps && apierrors.IsForbidden(err) {
		c.throttled.Once("no permission for the status ConfigMap; the status is only logged (" + kube.Redact(err) + ")")
		return
	}
	c.throttled.WatchFailed(what, err)
}

// untrackedFailed tells of a name that only ledgers have.
func (c *Controller) untrackedFailed(what kube.Target, err error) {
	if !apierrors.IsForbidden(err) {
		c.requestFailed(what, err)
		return
	}
	c.throttled.Once("service accounts have " + what.Name + " in their ledgers, which no rule has, and secrets of this name may not be listed and watched; " +
		"it stays where it is: if such copies are of this installation, apply the roles that `pullsecrets rbac -f POLICY -also " + what.Name + "` prints")
}
