package reconcile

import (
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

// TestWhatIsUrgent is a namespace or an account that comes while a policy is in force, not one that is read at the start, and a copy
// that goes.
func TestWhatIsUrgent(t *testing.T) {
	p := largePolicy(t, 1)
	ins, haves := largeCluster(p, 1, 2, true)
	namespace := ins[0].Namespace
	ending := *namespace
	ending.Name, ending.Terminating = "ending", true
	ins, haves = append(ins, policy.Inputs{Namespace: &ending}), append(haves, plan.Observed{})
	account := &cluster.ServiceAccount{Meta: cluster.Meta{Namespace: namespace.Name, Name: "default"}}
	secret := &cluster.Secret{Meta: cluster.Meta{Namespace: namespace.Name, Name: "reg"}}
	last := &cluster.Secret{Meta: cluster.Meta{Namespace: ending.Name, Name: "reg"}}
	for name, tt := range map[string]struct {
		happens func(c *Controller)
		urgent  bool
	}{
		"a new namespace":                 {func(c *Controller) { c.namespaceEvent(watch.Event{New: namespace}) }, true},
		"a new account":                   {func(c *Controller) { c.accountEvent(watch.Event{New: account}, false) }, true},
		"a namespace that was there":      {func(c *Controller) { c.namespaceEvent(watch.Event{New: namespace, Initial: true}) }, false},
		"a namespace that goes":           {func(c *Controller) { c.namespaceEvent(watch.Event{Old: namespace}) }, false},
		"an account that changes":         {func(c *Controller) { c.accountEvent(watch.Event{Old: account, New: account}, false) }, false},
		"a copy that somebody deletes":    {func(c *Controller) { c.copyEvent(watch.Event{Old: secret}, false) }, true},
		"a copy that somebody edits":      {func(c *Controller) { c.copyEvent(watch.Event{Old: secret, New: secret}, false) }, false},
		"a copy of a namespace that goes": {func(c *Controller) { c.copyEvent(watch.Event{Old: last}, false) }, false},
		"a roll-out":                      {func(c *Controller) { c.requeueAll(nil) }, false},
	} {
		c := cached(p, ins, haves)
		c.activator.Activate(t.Context(), p)
		for c.queue.Len() > 0 {
			c.workOnce(t.Context())
		}
		c.queue.Add("waits")
		tt.happens(c.Controller)
		if first, _ := c.queue.Get(); (first != "waits") != tt.urgent {
			t.Errorf("%s: urgent is not %t", name, tt.urgent)
		}
		c.queue.ShutDown()
	}
}

// TestAWakeWhileAPruneIsHeldDecidesNothing: with thousands of namespaces and rules it would take most of a second.
func TestAWakeWhileAPruneIsHeldDecidesNothing(t *testing.T) {
	f := newLaggingController(t, 50)
	f.activator.Activate(t.Context(), f.policy(`
- {name: one, secrets: [{source: {name: s}, name: one}]}`))
	drain := func() {
		for f.queue.Len() > 0 {
			f.workOnce(t.Context())
		}
	}
	drain()
	f.activator.Activate(t.Context(), f.policy(" []"))
	decided := 0
	decideAll := f.activator.DecideAll
	f.activator.DecideAll = func(p *policy.Policy, each func(plan.Plan)) {
		decided++
		decideAll(p, each)
	}
	if f.activator.ReleaseHeldPrune(t.Context()); decided > 0 || !f.limit.Held() {
		t.Errorf("before it was rolled out: decided %d times, held is %t", decided, f.limit.Held())
	}
	drain()
	if f.activator.ReleaseHeldPrune(t.Context()); decided > 0 || !f.limit.Held() {
		t.Errorf("while something is held: decided %d times, held is %t", decided, f.limit.Held())
	}
	for _, obj := range f.caches.Namespaces.List() { // what is held goes in another way
		f.caches.Namespaces.Delete(obj)
		f.namespaceEvent(watch.Event{Old: obj.(*cluster.Namespace)})
	}
	drain()
	if f.activator.ReleaseHeldPrune(t.Context()); decided != 1 || f.limit.Held() {
		t.Errorf("when nothing is held any more: decided %d times, held is %t", decided, f.limit.Held())
	}
}
