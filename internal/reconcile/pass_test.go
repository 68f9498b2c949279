package reconcile

import "testing"

// TestAPassEndsAlthoughANamespaceWent deletes a namespace between when it is worked out what a policy removes and when
// the policy comes in force. Its event comes too early to count.
func TestAPassEndsAlthoughANamespaceWent(t *testing.T) {
	p := largePolicy(t, 2)
	ins, haves := largeCluster(p, 2, 4, true)
	c := cached(p, ins, haves)
	gone, _ := c.wouldRemove(p)
	if err := c.watches.namespaces.store.Delete(ins[0].Namespace); err != nil {
		t.Fatal(err)
	}
	c.judge.begin(t.Context(), p, gone)
	for c.queue.Len() > 0 {
		c.workOnce(t.Context())
	}
	if state := c.pass.state(); !c.pass.complete(p) || state.total != 4 {
		t.Errorf("of %d namespaces %d were never tried", state.total, state.pending)
	}
}
