package state

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

// Ensure follows these sources and copy names too, from now on.
func (c *Cluster) Ensure(sources []types.NamespacedName, names []string) {
	c.named.ensure(sources, names)
}

// Keep stops following all other sources and copy names.
func (c *Cluster) Keep(sources []types.NamespacedName, names []string) { c.named.keep(sources, names) }

// LookAside follows, besides what is needed, these copy names and no others: those that only ledgers have, of which nothing
// is decided. It returns those that may be read, and whether each has been answered.
func (c *Cluster) LookAside(names []string) (readable []string, all bool) {
	return c.named.lookAside(names)
}

// AwaitAside has the names of LookAside count as unsettled too, or not any more.
func (c *Cluster) AwaitAside(wait bool) {
	c.named.mu.Lock()
	defer c.named.mu.Unlock()
	c.named.awaited = wait
}

// Followed are the sources of a policy that are Secrets of the cluster.
func (c *Cluster) Followed(p *policy.Policy) (out []types.NamespacedName) {
	for _, key := range p.Sources() {
		if !c.sources.isFile(key) {
			out = append(out, key)
		}
	}
	return out
}

// Settled reports whether every list has been answered, be it that it is forbidden.
func (c *Cluster) Settled() bool {
	return !slices.ContainsFunc(c.informers(), func(one *watch.Informer) bool { return !one.Settled() })
}

// Unsettled returns which lists were asked for and have not been answered yet, the oldest first.
func (c *Cluster) Unsettled() []watch.Waiting { return watch.Unsettled(c.informers()) }

// informers returns those that are waited for, in no order.
func (c *Cluster) informers() []*watch.Informer {
	all := append(c.named.all(), c.namespaces, c.accounts, c.status)
	for _, one := range []*watch.Informer{c.policy, c.parameters} {
		if one != nil {
			all = append(all, one)
		}
	}
	return all
}

// ConfigMapsSettled reports whether it is known what the policy and the status ConfigMap hold.
func (c *Cluster) ConfigMapsSettled() bool {
	return (c.policy == nil || c.policy.Settled()) && c.status.Settled()
}

// ObjectsSettled reports whether it is known which namespaces and service accounts there are.
func (c *Cluster) ObjectsSettled() bool { return c.namespaces.Settled() && c.accounts.Settled() }

// Blind names what may not be listed without which nothing can be said of the cluster; empty if all may be.
func (c *Cluster) Blind() string {
	switch {
	case c.namespaces.Forbidden():
		return "namespaces"
	case c.accounts.Forbidden():
		return "service accounts"
	}
	return ""
}
