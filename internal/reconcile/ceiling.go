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
	recent []removal             // within the window
	there  map[string]plan.Count // by namespace; those without any are left out
	all    plan.Count            // the sum of there
}

func newCeiling(percent int) *ceiling {
	return &ceiling{percent: percent, there: map[string]plan.Count{}}
}

type removal struct {
	at time.Time
	plan.Count
}

// tooMany reports whether these removals, out of all that there is, are held. 100 percent holds nothing.
func (c *ceiling) tooMany(gone, all plan.Count) bool {
	over := func(gone, all int) bool { return c.percent < 100 && gone > max(freePrunes, all*c.percent/100) }
	return over(gone.Copies, all.Copies) || over(gone.References, all.References)
}

// seen notes what there is of ours in a namespace. It is counted by the plans, as what they remove is: from the caches
// and our own writes that those do not show yet. Two ways of counting would differ right after a write.
func (c *ceiling) seen(namespace string, there plan.Count) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = c.all.Minus(c.there[namespace]).Plus(there)
	if there == (plan.Count{}) {
		delete(c.there, namespace)
		return
	}
	c.there[namespace] = there
}

// take asks for removals now, out of all that there is, and holds everything if they are too many.
func (c *ceiling) take(gone plan.Count, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent = slices.DeleteFunc(c.recent, func(r removal) bool { return now.Sub(r.at) > pruneWindow })
	var before plan.Count
	for _, r := range c.recent {
		before = before.Plus(r.Count)
	}
	if c.tooMany(before.Plus(gone), before.Plus(c.all)) {
		c.held.Store(true)
		return false
	}
	c.recent = append(c.recent, removal{now, gone})
	return true
}

// giveBack takes back what was asked for at a time and was not removed: it will be asked for again, and would count twice.
func (c *ceiling) giveBack(left plan.Count, asked time.Time) {
	if left == (plan.Count{}) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.recent, func(r removal) bool {
		return r.at.Equal(asked) && r.Copies >= left.Copies && r.References >= left.References
	})
	if i >= 0 { // nobody confirmed in between
		c.recent[i].Count = c.recent[i].Minus(left)
	}
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

// wouldRemove counts what a policy would remove in each namespace if nothing were held, and what there is in all.
func (c *Controller) wouldRemove(p *policy.Policy) (gone map[string]plan.Count, all plan.Count) {
	gone = map[string]plan.Count{}
	for _, obj := range c.watches.namespaces.all() {
		name := obj.(*cluster.Namespace).Name
		if in, have, ok := c.observe(name, p); ok {
			have.HoldPrune = false
			todo := decide(p, in, have)
			gone[name], all = todo.Removed(), all.Plus(todo.There)
			c.ceiling.seen(name, todo.There)
		}
	}
	return gone, all
}

func total(counts map[string]plan.Count) (n plan.Count) {
	for _, c := range counts {
		n = n.Plus(c)
	}
	return n
}
