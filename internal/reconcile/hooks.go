package reconcile

import (
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// hooks say what each event leads to: a namespace in the queue, or a look at the policy. None runs before assigned is done.
func (c *Controller) hooks(assigned *sync.WaitGroup) hooks {
	on := func(do func(event)) func(event) {
		return func(e event) {
			assigned.Wait()
			if !unchanged(e) {
				do(e)
			}
		}
	}
	return hooks{
		namespace: on(c.namespaceEvent),
		account:   on(c.accountEvent),
		copy:      on(c.copyEvent),
		source:    on(func(event) { c.sourceChanged() }),
		configMap: on(c.configMapEvent),
		parameter: on(c.parameterEvent),
		state: func() {
			assigned.Wait()
			c.watchChanged()
		},
		failed: c.watchFailed,
		asideFailed: func(what kube.Target, err error) {
			if !apierrors.IsForbidden(err) {
				c.watchFailed(what, err)
				return
			}
			c.troubles.once("service accounts have " + what.Name + " in their ledgers, which no rule has, and secrets of this name may not be listed and watched; " +
				"it stays where it is: if such copies are of this installation, apply the roles that `pullsecrets rbac -f POLICY -also " + what.Name + "` prints")
		},
		looped:     func(what kube.Target) { c.troubles.loop(what, c.LoopEvery) },
		plain:      c.troubles.plain,
		remembered: c.written.known,
	}
}

func (c *Controller) namespaceEvent(e event) {
	before, _ := e.old.(*cluster.Namespace)
	after, _ := e.new.(*cluster.Namespace)
	if after == nil || after.Terminating || before != nil && before.UID != after.UID {
		c.fights.forget(nameOf(e)) // what ended with a namespace was no fight
		c.altered.forget(nameOf(e))
	}
	if before == nil || after == nil || !before.SameDecision(after) {
		c.enqueue(nameOf(e), before == nil && !e.initial)
	}
}

func (c *Controller) accountEvent(e event) {
	if e.old != nil && (e.new == nil || e.old.GetUID() != e.new.GetUID()) {
		c.fights.gone(kube.Key{Kind: plan.KindServiceAccount, ObjectName: kube.NameOf(e.old)}, newObjectID(plan.KindServiceAccount, e.old.GetUID()))
	}
	if !c.written.seen(plan.KindServiceAccount, e) {
		c.enqueue(namespaceOf(e), e.old == nil && !e.initial)
	}
}

func (c *Controller) copyEvent(e event) {
	if !c.written.seen(plan.KindSecret, e) {
		c.enqueue(namespaceOf(e), false)
	}
}

func (c *Controller) configMapEvent(e event) {
	c.written.seen(kube.KindConfigMap, e)
	c.judge.wake()
}

func (c *Controller) parameterEvent(event) {
	c.admission.touch()
	c.judge.wake()
}

// watchChanged follows a watch that became settled, or forbidden.
func (c *Controller) watchChanged() {
	c.forgetSources()
	c.admission.sourcesChanged()
	c.enqueueAll()
	c.judge.wake()
}

func (c *Controller) watchFailed(what kube.Target, err error) {
	if c.Documents != nil && what.Resource == kube.ConfigMaps && apierrors.IsForbidden(err) {
		c.troubles.once("no permission for the status ConfigMap; the status is only logged (" + kube.Redact(err) + ")")
		return
	}
	c.troubles.watch(what, err)
}

func nameOf(e event) string {
	if e.new != nil {
		return e.new.GetName()
	}
	return e.old.GetName()
}

func namespaceOf(e event) string {
	if e.new != nil {
		return e.new.GetNamespace()
	}
	return e.old.GetNamespace()
}

// unchanged reports whether an event only repeats what was known, as after a watch that began anew.
func unchanged(e event) bool {
	return e.old != nil && e.new != nil && e.old.GetResourceVersion() == e.new.GetResourceVersion()
}
