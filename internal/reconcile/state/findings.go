package state

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// clockCheck is how often the clock is looked at, at least: it may have been set since, or the machine have slept, which no
// timer notices.
const clockCheck = time.Minute

// judge judges the sources that were read: what is to be said of them now, and what their registries said. It keeps that, and
// tells it. The map is not changed once it is kept. The caller holds the mutex.
func (s *sources) judge() {
	now, states := time.Now(), map[types.NamespacedName]policy.SourceState{}
	s.next = time.Time{}
	for key, state := range s.plain {
		state.Findings = plan.Findings(state, now, s.warning)
		states[key] = state
		if at := plan.NextFinding(state, now, s.warning); !at.IsZero() && (s.next.IsZero() || at.Before(s.next)) {
			s.next = at
		}
	}
	if s.verify != nil {
		s.verify(s.of, states)
	}
	s.states = states
	s.changed(states)
	select {
	case s.judged <- struct{}{}:
	default:
	}
}

// judgeAgain has what is said of the sources follow the time. They are not read again: nothing of them changed.
func (s *sources) judgeAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.states != nil { // else the next decision reads them
		s.judge()
	}
}

// wait is how long to leave the sources alone.
func (s *sources) wait() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next.IsZero() {
		return clockCheck
	}
	return min(clockCheck, time.Until(s.next))
}

// FollowTime has the sources judged again when time alone changes what is to be said of them, until ctx ends.
func (c *Cluster) FollowTime(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(c.sources.wait())
		select {
		case <-ctx.Done():
			return
		case <-c.sources.judged:
		case <-timer.C:
			c.sources.judgeAgain()
		}
	}
}
