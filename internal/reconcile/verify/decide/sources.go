package decide

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// Sources are all sources whose registries are asked. One that no policy wants verified any more is remembered for a while:
// while a policy replaces another, namespaces are decided under both.
type Sources struct {
	times Times
	known map[types.NamespacedName]*source
}

// NewSources returns Sources of which nothing is known.
func NewSources(times Times) *Sources {
	return &Sources{times: times, known: map[types.NamespacedName]*source{}}
}

// Question is a source whose registries are to be asked.
type Question struct {
	Key    types.NamespacedName
	Source *cluster.Source
}

// News is that something else is known of a source than before.
type News struct{ Before, Now status.VerifiedSource }

// Restore begins with what an earlier process knew, and leaves out what this one does not understand.
func (s *Sources) Restore(saved []status.VerifiedSource) {
	clear(s.known)
	for _, v := range saved {
		if !slices.Contains(status.Verdicts, v.Verdict) {
			continue
		}
		namespace, name, _ := strings.Cut(v.Source, "/")
		s.known[types.NamespacedName{Namespace: namespace, Name: name}] = &source{known: v}
	}
}

// Judge replaces the states of the sources that a policy wants verified by what is known of them, and remembers them to be
// asked about.
func (s *Sources) Judge(p *policy.Policy, states map[types.NamespacedName]policy.SourceState, now time.Time, chance func() float64) {
	for key, one := range s.known {
		if !p.Verifies(key) && one.left.IsZero() {
			one.left = now
		}
	}
	for key, state := range states {
		if !p.Verifies(key) {
			continue
		}
		one := s.known[key]
		if one == nil {
			one = &source{known: status.VerifiedSource{Source: key.String(), Verdict: status.VerdictAsking}}
			s.known[key] = one
		}
		if !one.left.IsZero() { // whoever turns it on again wants to know
			one.left, one.next = time.Time{}, one.soonest(now, s.times)
		}
		if state.Status != policy.SourceUsable {
			one.absence()
			continue
		}
		one.see(state.Source, now, s.times, chance())
		states[key] = one.known.Judge(state)
	}
}

// Outdated reports whether a question is about a credential that its source does not hold any more.
func (s *Sources) Outdated(q Question) bool {
	one := s.known[q.Key]
	return one == nil || !one.follows() || !q.Source.Content.Equal(one.live.Content)
}

// Due returns what is to be asked now, in order. Each of it is to be Answered.
func (s *Sources) Due(now time.Time) (due []Question) {
	for key, one := range s.known {
		switch {
		case !one.left.IsZero() && now.Sub(one.left) > s.times.Interval:
			delete(s.known, key)
		case one.follows() && !one.asking && !now.Before(one.next):
			one.asking, one.last = true, now
			due = append(due, Question{key, one.live})
		}
	}
	slices.SortFunc(due, func(a, b Question) int { return cmp.Compare(a.Key.String(), b.Key.String()) })
	return due
}

// Answered takes in what came of a question.
func (s *Sources) Answered(q Question, answers []Answer, now time.Time, chance float64) []News {
	s.Withdrawn(q)
	if s.Outdated(q) {
		return nil
	}
	one := s.known[q.Key]
	before := one.known
	one.answered(answers, now, s.times, chance)
	return news(nil, before, one.known)
}

// Withdrawn takes in that a question was not asked to its end, because nobody waits for the answer any more.
func (s *Sources) Withdrawn(q Question) {
	if one := s.known[q.Key]; one != nil {
		one.asking = false
	}
}

// Expire ends the waiting for answers that did not come.
func (s *Sources) Expire(now time.Time) (all []News) {
	for _, one := range s.known {
		if one.follows() {
			before := one.known
			one.expire(now, s.times)
			all = news(all, before, one.known)
		}
	}
	slices.SortFunc(all, func(a, b News) int { return cmp.Compare(a.Now.Source, b.Now.Source) })
	return all
}

func news(all []News, before, now status.VerifiedSource) []News {
	if before.Verdict == now.Verdict && before.Text == now.Text {
		return all
	}
	return append(all, News{before, now})
}

// Next is when Due or Expire has something to do; zero where there is nothing to wait for.
func (s *Sources) Next() (next time.Time) {
	sooner := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	for _, one := range s.known {
		if !one.follows() {
			continue
		}
		sooner(one.expires(s.times))
		if !one.asking {
			sooner(one.next)
		}
	}
	return next
}

// Known is what is known of the sources that are asked about, in order.
func (s *Sources) Known() (all []status.VerifiedSource) {
	for _, one := range s.known {
		if one.left.IsZero() {
			all = append(all, one.known)
		}
	}
	slices.SortFunc(all, func(a, b status.VerifiedSource) int { return cmp.Compare(a.Source, b.Source) })
	return all
}

// Waiting reports whether copies of any source wait for an answer.
func (s *Sources) Waiting() bool {
	for _, one := range s.known {
		if one.follows() && one.known.Verdict == status.VerdictAsking && !one.overdue {
			return true
		}
	}
	return false
}
