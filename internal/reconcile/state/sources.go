package state

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// sources are the states of a policy's sources. They are the same for every namespace, so they are read once, and again
// after an event.
type sources struct {
	file    *credentialFile // nil if all sources are Secrets
	read    func(types.NamespacedName) policy.SourceState
	verify  func(*policy.Policy, map[types.NamespacedName]policy.SourceState) // nil if no registry is asked
	changed func(map[types.NamespacedName]policy.SourceState)
	warning time.Duration // before a credential ends, to say so
	judged  chan struct{} // has something to receive when next may be another than before

	mu     sync.Mutex
	states map[types.NamespacedName]policy.SourceState // nil: read them again
	of     *policy.Policy
	plain  map[types.NamespacedName]policy.SourceState // as they were read
	next   time.Time                                   // when time alone changes what is said of them; zero for never
}

func (s *sources) isFile(key types.NamespacedName) bool { return s.file != nil && s.file.Source == key }

// Sources is part of View.
func (c *Cluster) Sources(p *policy.Policy) map[types.NamespacedName]policy.SourceState {
	s := &c.sources
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.states != nil && s.of == p {
		return s.states
	}
	plain := map[types.NamespacedName]policy.SourceState{}
	for _, key := range p.Sources() {
		plain[key] = s.read(key)
	}
	s.of, s.plain = p, plain
	s.judge()
	return s.states
}

// ForgetSources has the sources read again for the next decision.
func (c *Cluster) ForgetSources() {
	c.sources.mu.Lock()
	defer c.sources.mu.Unlock()
	c.sources.states, c.sources.next = nil, time.Time{} // there is nothing to judge until somebody reads them
}

func (c *Cluster) readSource(key types.NamespacedName) policy.SourceState {
	if c.sources.isFile(key) {
		return c.sources.file.current()
	}
	w := c.named.sourceAt(key)
	if w == nil || w.Forbidden() {
		return policy.SourceState{Status: policy.SourceForbidden}
	}
	source, _ := w.Get(cache.ObjectName(key)).(*cluster.Source)
	return policy.NewSourceState(source, c.installation)
}
