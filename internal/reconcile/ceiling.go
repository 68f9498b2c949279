package reconcile

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

const (
	// freePrunes may always be removed, however few there are.
	freePrunes = 10
	// pruneWindow is how far back removals count that changes of namespaces cause.
	pruneWindow = time.Minute
)

// ceiling holds back what would remove too much at once: a wrong glob, a mistyped account name or a label that a script
// removed everywhere takes the credentials of a whole cluster away. A policy is held against it as a whole before it
// comes in force; removals that changes of namespaces cause are counted as they come.
type ceiling struct {
	percent int // of all copies, and of all references

	held   atomic.Bool
	mu     sync.Mutex
	recent []removal // within the window
}

// removals are copies, and references of ours in the lists of service accounts.
type removals struct{ copies, references int }

type removal struct {
	at time.Time
	removals
}

func (r removals) plus(o removals) removals {
	return removals{r.copies + o.copies, r.references + o.references}
}

// minus never goes below nothing.
func (r removals) minus(o removals) removals {
	return removals{max(0, r.copies-o.copies), max(0, r.references-o.references)}
}

// tooMany reports whether these removals, out of all that there is, are held.
func (c *ceiling) tooMany(gone, all removals) bool {
	over := func(gone, all int) bool { return gone > max(freePrunes, all*c.percent/100) }
	return over(gone.copies, all.copies) || over(gone.references, all.references)
}

// take asks for removals now, out of all that there is, and holds everything if they are too many.
func (c *ceiling) take(gone, all removals, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent = slices.DeleteFunc(c.recent, func(r removal) bool { return now.Sub(r.at) > pruneWindow })
	var before removals
	for _, r := range c.recent {
		before = before.plus(r.removals)
	}
	if c.tooMany(before.plus(gone), before.plus(all)) {
		c.held.Store(true)
		return false
	}
	c.recent = append(c.recent, removal{now, gone})
	return true
}

// accept lets go of what is held. What changes of namespaces removed within the window stays counted.
func (c *ceiling) accept() { c.held.Store(false) }

// release lets go of what is held and forgets what was counted, because the user confirmed it.
func (c *ceiling) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent = nil
	c.held.Store(false)
}

// removed counts what a plan removes.
func removed(p plan.Plan) (n removals) {
	for _, a := range p.Actions {
		switch {
		case a.Verb == plan.Delete:
			n.copies++
		case a.List != nil:
			n.references += len(a.List.Removed)
		}
	}
	return n
}

// present counts our copies and references.
func (c *Controller) present() (n removals) {
	for _, w := range c.watches.allCopies().watches {
		for _, obj := range w.all() {
			if obj.(*cluster.Secret).Ours() {
				n.copies++
			}
		}
	}
	for _, obj := range c.watches.accounts.all() {
		n.references += len(plan.ParseLedger(obj.(*cluster.ServiceAccount).Ledger))
	}
	return n
}

// wouldRemove counts what a policy would remove in each namespace, if nothing were held.
func (c *Controller) wouldRemove(p *policy.Policy) map[string]removals {
	n := map[string]removals{}
	for _, obj := range c.watches.namespaces.all() {
		name := obj.(*cluster.Namespace).Name
		if in, have, ok := c.observe(name, p); ok {
			have.HoldPrune = false
			n[name] = removed(decide(p, in, have))
		}
	}
	return n
}

func total(counts map[string]removals) (n removals) {
	for _, r := range counts {
		n = n.plus(r)
	}
	return n
}
