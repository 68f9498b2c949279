package reconcile

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// decide is the whole decision about one namespace. It is pure.
func decide(p *policy.Policy, in policy.Inputs, have plan.Observed) plan.Plan {
	return plan.Compute(p.Desired(in), have)
}

// observe reads from the caches, and from what we wrote that they do not show yet, all that a decision about a
// namespace may look at. It returns false when the namespace is gone.
func (c *Controller) observe(namespace string, p *policy.Policy) (in policy.Inputs, have plan.Observed, ok bool) {
	ns, ok := c.watches.namespaces.get(namespace).(*cluster.Namespace)
	if !ok {
		return in, have, false
	}
	in = policy.Inputs{Namespace: ns, Sources: c.sourceStates(p)}
	have = plan.Observed{
		Namespace:     ns,
		Installation:  c.installation(),
		AccountsKnown: !c.watches.accounts.forbidden(),
		HoldPrune:     c.ceiling.Held(),
		Copies:        map[string]plan.CopyState{},
	}
	if told := c.admission.told.Load(); told != nil {
		have.Promised = func(sa *cluster.ServiceAccount, name string) bool { return told.Add(ns, sa, name) }
	}
	copies, all := c.watches.allCopies(), true
	for _, obj := range c.watches.accounts.inNamespace(namespace) {
		in.Accounts = append(in.Accounts, c.latestAccount(obj.(*cluster.ServiceAccount)))
	}
	slices.SortFunc(in.Accounts, func(a, b *cluster.ServiceAccount) int { return strings.Compare(a.Name, b.Name) })
	for _, w := range copies.watches {
		settled, forbidden := w.answer()
		if !settled { // what there is under this name is not known yet
			all = false
			continue
		}
		if forbidden {
			have.Copies[w.Name] = plan.CopyState{Forbidden: true, Leaving: !slices.Contains(p.CopyNames(), w.Name)}
			continue
		}
		key := cache.ObjectName{Namespace: namespace, Name: w.Name}
		// In most namespaces most names have no copy, and those are not noted.
		if secret, ok := c.written.latest(plan.KindSecret, key, w.get(key.String()), w.version()).(*cluster.Secret); ok {
			have.Copies[w.Name] = plan.CopyState{Secret: secret, Insisted: c.fights.insisted(kube.Key{Kind: plan.KindSecret, ObjectName: key}, time.Now())}
		}
	}
	if have.Looked = copies.names; !all {
		have.Looked = copies.settled()
	}
	return in, have, true
}

// latestAccount returns a service account of the cache as it is now.
func (c *Controller) latestAccount(cached *cluster.ServiceAccount) *cluster.ServiceAccount {
	return c.written.latest(plan.KindServiceAccount, kube.NameOf(cached), cached, "").(*cluster.ServiceAccount)
}

// sourceStates returns the states of all sources of a policy. They are the same for every namespace, so they are
// gathered once and again after an event. The map must not be changed.
func (c *Controller) sourceStates(p *policy.Policy) map[types.NamespacedName]policy.SourceState {
	c.sourcesMu.Lock()
	defer c.sourcesMu.Unlock()
	if c.sources != nil && c.sourcesOf == p {
		return c.sources
	}
	c.sourcesOf, c.sources = p, map[types.NamespacedName]policy.SourceState{}
	for _, key := range p.Sources() {
		if c.given != nil && c.given.Source == key {
			c.sources[key] = c.given.current()
			continue
		}
		w := c.watches.source(key)
		if w == nil || w.forbidden() {
			c.sources[key] = policy.SourceState{Status: policy.SourceForbidden}
			continue
		}
		source, _ := w.get(key.String()).(*cluster.Source)
		c.sources[key] = policy.NewSourceState(source, c.installation())
	}
	c.metrics.follow(c.sources)
	c.warned.log(c.Log, c.sources)
	return c.sources
}

// forgetSources has the states of the sources gathered again at the next decision.
func (c *Controller) forgetSources() {
	c.sourcesMu.Lock()
	defer c.sourcesMu.Unlock()
	c.sources = nil
}
