package reconcile

import (
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// TestARollOutEndsAlthoughANamespaceWent deletes a namespace between when it is worked out what a policy removes and when
// the policy comes in force. Its event comes too early to count.
func TestARollOutEndsAlthoughANamespaceWent(t *testing.T) {
	p := largePolicy(t, 2)
	ins, haves := largeCluster(p, 2, 4, true)
	c := cached(p, ins, haves)
	decideAll := c.activator.DecideAll
	c.activator.DecideAll = func(p *policy.Policy, each func(plan.Plan)) {
		decideAll(p, each)
		if c.caches.Namespaces.Delete(ins[0].Namespace) == nil {
			t.Fatal("it was not there")
		}
	}
	c.activator.Activate(t.Context(), p)
	for c.queue.Len() > 0 {
		c.workOnce(t.Context())
	}
	if _, rollout := c.activator.Progress(); rollout.Policy != p || rollout.Total != 4 || rollout.Pending > 0 {
		t.Errorf("of %d namespaces %d were never tried", rollout.Total, rollout.Pending)
	}
}
