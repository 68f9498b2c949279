package reconcile

import (
	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// wouldRemove counts what a policy would remove in each namespace if nothing were held, and what there is in all.
func (c *Controller) wouldRemove(p *policy.Policy) (gone map[string]plan.Count, all plan.Count) {
	gone = map[string]plan.Count{}
	for _, obj := range c.watches.namespaces.all() {
		name := obj.(*cluster.Namespace).Name
		if in, have, ok := c.observe(name, p); ok {
			have.HoldPrune = false
			todo := decide(p, in, have)
			gone[name], all = todo.Removed(), all.Plus(todo.There)
			c.ceiling.Seen(name, todo.There)
		}
	}
	return gone, all
}
