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
	finished func()
}

// begin starts a pass over the given namespaces.
func (p *pass) begin(of *policy.Policy, namespaces []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.policy = of
	p.pending = make(map[string]bool, len(namespaces))
	for _, ns := range namespaces {
		p.pending[ns] = true
	}
}

// tried notes that a namespace was decided under a policy.
func (p *pass) tried(of *policy.Policy, namespace string) {
	p.mu.Lock()
	last := p.policy == of && p.pending[namespace] && len(p.pending) == 1
	if p.policy == of {
		delete(p.pending, namespace)
	}
	p.mu.Unlock()
	if last {
		p.finished()
	}
}

// awaits reports whether a namespace was not yet tried under a policy.
func (p *pass) awaits(of *policy.Policy, namespace string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.policy == of && p.pending[namespace]
}

// complete reports whether every namespace was tried under this policy.
func (p *pass) complete(of *policy.Policy) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.policy == of && len(p.pending) == 0
}
