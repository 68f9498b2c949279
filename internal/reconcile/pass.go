package reconcile

import (
	"sync"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// pass follows a policy's first way through all namespaces: what is reported of a policy is reported once each
// namespace was tried under it.
type pass struct {
	mu       sync.Mutex
	policy   *policy.Policy
	pending  map[string]bool
	budget   map[string]plan.Count // what the policy itself removes, where it removes anything, until that succeeded
	failing  map[string]time.Time  // since when
	total    int
	finished func()
}

// begin starts a pass over namespaces, with what the policy itself removes in each.
func (p *pass) begin(of *policy.Policy, namespaces map[string]plan.Count) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.policy = of
	p.budget = map[string]plan.Count{}
	p.failing = map[string]time.Time{}
	p.total = len(namespaces)
	p.pending = make(map[string]bool, len(namespaces))
	for ns, n := range namespaces {
		p.pending[ns] = true
		if n != (plan.Count{}) {
			p.budget[ns] = n
		}
	}
}

// tried notes that a namespace was decided under a policy, and whether all of it succeeded.
func (p *pass) tried(of *policy.Policy, namespace string, succeeded bool) {
	p.mu.Lock()
	switch _, known := p.failing[namespace]; {
	case p.policy != of:
	case succeeded:
		delete(p.budget, namespace)
		delete(p.failing, namespace)
	case !known:
		p.failing[namespace] = time.Now()
	}
	last := p.policy == of && p.pending[namespace] && len(p.pending) == 1
	if p.policy == of {
		delete(p.pending, namespace)
	}
	if last {
		p.pending = nil // a map that was large stays large
	}
	p.mu.Unlock()
	if last {
		p.finished()
	}
}

// allowed is what in a namespace was held against the ceiling with the policy as a whole, and is not to be counted
// again; nothing once it succeeded.
func (p *pass) allowed(of *policy.Policy, namespace string) plan.Count {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.policy != of {
		return plan.Count{}
	}
	return p.budget[namespace]
}

// complete reports whether every namespace was tried under this policy.
func (p *pass) complete(of *policy.Policy) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.policy == of && len(p.pending) == 0
}

// passState is how far a pass has come.
type passState struct {
	policy         *policy.Policy
	total, pending int
	failing        int       // tried, and failed the last time
	since          time.Time // when the youngest of these failed first
}

func (p *pass) state() passState {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := passState{policy: p.policy, total: p.total, pending: len(p.pending), failing: len(p.failing)}
	for _, since := range p.failing {
		if since.After(s.since) {
			s.since = since
		}
	}
	return s
}

// over reports whether every namespace was tried, and those that failed often enough.
func (s passState) over(now time.Time) bool {
	return s.pending == 0 && (s.failing == 0 || now.Sub(s.since) > onceTries)
}
