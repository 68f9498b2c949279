package activation

import (
	"sync"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/draining"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// rollout follows a policy's first way through all namespaces: what is published of a policy is published once each namespace was
// tried under it.
type rollout struct {
	mu       sync.Mutex
	policy   *policy.Policy
	pending  draining.Map[struct{}]
	waiting  map[string]bool       // those of them that were tried, and wait
	budget   map[string]plan.Count // what the policy itself removes, where it removes anything, until that succeeded
	removes  int                   // in how many namespaces the policy itself removes anything
	failing  map[string]time.Time  // since when
	total    int
	finished func()
	mended   func() // where the last namespace that had failed succeeds after that: what waits until all have converged goes on
}

// begin starts a roll-out over namespaces, with what the policy itself removes in each.
func (r *rollout) begin(of *policy.Policy, namespaces map[string]plan.Count) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.policy = of
	r.budget = map[string]plan.Count{}
	r.failing, r.waiting = map[string]time.Time{}, map[string]bool{}
	r.total = len(namespaces)
	r.pending = draining.Map[struct{}]{}
	for ns, n := range namespaces {
		r.pending.Set(ns, struct{}{})
		if n != (plan.Count{}) {
			r.budget[ns] = n
		}
	}
	r.removes = len(r.budget)
}

// attempted notes that a namespace was decided under a policy, whether all of it succeeded, and whether something of it waits for
// an answer that comes by itself: such a namespace is tried again, and counts as tried only then.
func (r *rollout) attempted(of *policy.Policy, namespace string, waits, succeeded bool) {
	r.mu.Lock()
	_, known := r.failing[namespace]
	switch {
	case r.policy != of:
	case succeeded:
		delete(r.budget, namespace)
		delete(r.failing, namespace)
	case !known:
		r.failing[namespace] = time.Now()
	}
	if r.policy == of && waits && r.pending.Has(namespace) {
		r.waiting[namespace] = true
	}
	tried := r.policy == of && !waits
	last := tried && r.pending.Has(namespace) && r.pending.Len() == 1
	if tried {
		r.pending.Delete(namespace)
		delete(r.waiting, namespace)
	}
	mended := r.policy == of && known && len(r.failing)+r.pending.Len() == 0
	r.mu.Unlock()
	switch {
	case last:
		r.finished()
	case mended:
		r.mended()
	}
}

// allowed is what in a namespace was held against the limit with the policy as a whole, and is not to be counted
// again; nothing once it succeeded.
func (r *rollout) allowed(of *policy.Policy, namespace string) plan.Count {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.policy != of {
		return plan.Count{}
	}
	return r.budget[namespace]
}

// removed reports whether something was removed of what the policy itself removes, or there is nothing of that.
func (r *rollout) removed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.removes == 0 || len(r.budget) < r.removes
}

// done reports whether every namespace was tried under this policy.
func (r *rollout) done(of *policy.Policy) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.policy == of && r.pending.Len() == 0
}

// looked reports whether every namespace was tried under this policy, be it that some of them wait.
func (r *rollout) looked(of *policy.Policy) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.policy == of && r.pending.Len() == len(r.waiting)
}

// converged reports whether every namespace was tried under this policy, and succeeded the last time.
func (r *rollout) converged(of *policy.Policy) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.policy == of && r.pending.Len()+len(r.failing) == 0
}

// Rollout is how far a roll-out has come.
type Rollout struct {
	Policy         *policy.Policy // nil: there was none
	Total, Pending int            // namespaces
	Failing        int            // tried, and failed the last time
	Since          time.Time      // when the youngest of these failed first
}

func (r *rollout) state() Rollout {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Rollout{Policy: r.policy, Total: r.total, Pending: r.pending.Len(), Failing: len(r.failing)}
	for _, since := range r.failing {
		if since.After(s.Since) {
			s.Since = since
		}
	}
	return s
}
