package reconcile

import (
	"sync"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// pass follows a policy's first way through all namespaces: what is reported of a policy is reported once each
// namespace was tried under it.
type pass struct {
	mu       sync.Mutex
	policy   *policy.Policy
	pending  map[string]bool
	budget   map[string]removals // what the policy itself removes, until that succeeded
	finished func()
}

// begin starts a pass over namespaces, with what the policy itself removes in each.
func (p *pass) begin(of *policy.Policy, namespaces map[string]removals) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.policy = of
	p.budget = namespaces
	p.pending = make(map[string]bool, len(namespaces))
	for ns := range namespaces {
		p.pending[ns] = true
	}
}

// tried notes that a namespace was decided under a policy, and whether all of it succeeded.
func (p *pass) tried(of *policy.Policy, namespace string, succeeded bool) {
	p.mu.Lock()
	if p.policy == of && succeeded {
		delete(p.budget, namespace)
	}
	last := p.policy == of && p.pending[namespace] && len(p.pending) == 1
	if p.policy == of {
		delete(p.pending, namespace)
	}
	p.mu.Unlock()
	if last {
		p.finished()
	}
}

// allowed is what in a namespace was held against the ceiling with the policy as a whole, and is not to be counted
// again; nothing once it succeeded.
func (p *pass) allowed(of *policy.Policy, namespace string) removals {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.policy != of {
		return removals{}
	}
	return p.budget[namespace]
}

// complete reports whether every namespace was tried under this policy.
func (p *pass) complete(of *policy.Policy) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.policy == of && len(p.pending) == 0
}
