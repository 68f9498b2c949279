package reconcile

import (
	"testing"
	"testing/synctest"
	"time"

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

// TestANewNamespaceAwaitsTheAccountThatIsWrittenFirst, and is worked on at once where nothing is written to it.
func TestANewNamespaceAwaitsTheAccountThatIsWrittenFirst(t *testing.T) {
	for rules, waits := range map[string]bool{
		`- {name: one, secrets: [{source: {name: s}, name: one}]}`:                                              true,
		`- {name: one, secrets: [{source: {name: s}, name: one}], attach: pods}`:                                false,
		`- {name: one, secrets: [{source: {name: s}, name: one}], namespaces: {include: [other]}}`:              false,
		`- {name: one, secrets: [{source: {name: s}, name: one}], serviceAccounts: {include: [builder]}}`:       false,
		`- {name: one, secrets: [{source: {name: s}, name: one}], serviceAccounts: {include: [default, "b*"]}}`: true,
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newLaggingController(t, 3)
			defer f.queue.ShutDown()
			f.activator.Activate(t.Context(), f.policy("\n"+rules))
			for f.queue.Len() > 0 {
				f.workOnce(t.Context())
			}
			ns := &cluster.Namespace{Meta: cluster.Meta{Name: "newcomer", UID: "u", ResourceVersion: "9"}}
			f.caches.Namespaces.Add(ns)
			f.namespaceEvent(watch.Event{New: ns})
			synctest.Wait()
			if got := f.queue.Len() == 0; got != waits {
				t.Errorf("%s: waits is %t", rules, got)
			}
			if !waits {
				return
			}
			time.Sleep(accountPatience)
			synctest.Wait()
			if f.queue.Len() != 1 {
				t.Errorf("%s: no account came, and it waits for ever", rules)
			}
			f.workOnce(t.Context())
			other := &cluster.Namespace{Meta: cluster.Meta{Name: "second", UID: "v", ResourceVersion: "10"}}
			f.caches.Namespaces.Add(other)
			f.namespaceEvent(watch.Event{New: other})
			account := &cluster.ServiceAccount{Meta: cluster.Meta{Namespace: "second", Name: "default", UID: "w", ResourceVersion: "11"}}
			f.caches.Accounts.Add(account)
			f.queue.Add("waits")
			f.accountEvent(watch.Event{New: account}, false)
			if first, _ := f.queue.Get(); first != "second" {
				t.Errorf("%s: its account came, and %s is first", rules, first)
			}
		})
	}
}
