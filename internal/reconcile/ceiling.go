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
	// freePrunes may always be deleted, however few copies there are.
	freePrunes = 10
	// pruneWindow is how far back deletions count that changes of namespaces cause.
	pruneWindow = time.Minute
)

// ceiling holds back what would delete too many copies at once: a wrong glob or a label that a script removed
// everywhere takes the credentials of a whole cluster away. A policy is held against it as a whole before it comes in
// force; deletions that changes of namespaces cause are counted as they come.
type ceiling struct {
	percent int // of all copies

	held   atomic.Bool
	mu     sync.Mutex
	recent []time.Time // deletions within the window
}

// tooMany reports whether this many deletions out of this many copies are held.
func (c *ceiling) tooMany(deletions, copies int) bool {
	return deletions > max(freePrunes, copies*c.percent/100)
}

// take asks for n deletions now, out of this many copies that exist, and holds everything if they are too many.
func (c *ceiling) take(n, copies int, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent = slices.DeleteFunc(c.recent, func(t time.Time) bool { return now.Sub(t) > pruneWindow })
	if c.tooMany(len(c.recent)+n, len(c.recent)+copies) {
		c.held.Store(true)
		return false
	}
	for range n {
		c.recent = append(c.recent, now)
	}
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

func deletions(p plan.Plan) (n int) {
	for _, a := range p.Actions {
		if a.Verb == plan.Delete {
			n++
		}
	}
	return n
}

// copies counts our copies.
func (c *Controller) copies() (n int) {
	for _, w := range c.watches.copyWatches() {
		for _, obj := range w.all() {
			if obj.(*cluster.Secret).Ours() {
				n++
			}
		}
	}
	return n
}

// wouldDelete counts the copies that a policy would delete in each namespace, if nothing were held.
func (c *Controller) wouldDelete(p *policy.Policy) map[string]int {
	n := map[string]int{}
	for _, obj := range c.watches.namespaces.all() {
		name := obj.(*cluster.Namespace).Name
		if in, have, ok := c.observe(name, p); ok {
			have.HoldPrune = false
			n[name] = deletions(decide(p, in, have))
		}
	}
	return n
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
