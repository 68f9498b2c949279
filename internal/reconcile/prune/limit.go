// Package prune decides how much may be removed at once, and whether the user confirmed more. It is pure: callers say what
// time it is.
package prune

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

const (
	// free may always be removed, however few there are.
	free = 10
	// window is how far back removals count that changes of namespaces cause.
	window = time.Minute
)

// Limit holds back what would remove too much at once: a wrong glob, a mistyped account name or a label that a script
// removed everywhere takes the credentials of a whole cluster away. A policy is held against it as a whole before it
// comes in force; removals that changes of namespaces cause are counted as they come.
type Limit struct {
	percent int // of all copies, and of all references

	held   atomic.Bool
	mu     sync.Mutex
	recent []removal             // within the window
	there  map[string]plan.Count // by namespace; those without any are left out
	all    plan.Count            // the sum of there
}

func NewLimit(percent int) *Limit {
	return &Limit{percent: percent, there: map[string]plan.Count{}}
}

type removal struct {
	at time.Time
	plan.Count
}

// TooMany reports whether these removals, out of all that there is, are held. 100 percent holds nothing.
func (l *Limit) TooMany(gone, all plan.Count) bool {
	over := func(gone, all int) bool { return l.percent < 100 && gone > max(free, all*l.percent/100) }
	return over(gone.Copies, all.Copies) || over(gone.References, all.References)
}

// Seen notes what there is of ours in a namespace. It is counted by the plans, as what they remove is: from the caches
// and our own writes that those do not show yet. Two ways of counting would differ right after a write.
func (l *Limit) Seen(namespace string, there plan.Count) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = l.all.Minus(l.there[namespace]).Plus(there)
	if there == (plan.Count{}) {
		delete(l.there, namespace)
		return
	}
	l.there[namespace] = there
}

// Allow asks for removals now, out of all that there is, and holds everything if they are too many.
func (l *Limit) Allow(gone plan.Count, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.counted(now)
	if l.TooMany(before.Plus(gone), before.Plus(l.all)) {
		l.held.Store(true)
		return false
	}
	l.recent = append(l.recent, removal{now, gone})
	return true
}

// Counted is what was removed within the window, as far as it counts.
func (l *Limit) Counted(now time.Time) plan.Count {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counted(now)
}

func (l *Limit) counted(now time.Time) (n plan.Count) {
	l.recent = slices.DeleteFunc(l.recent, func(r removal) bool { return now.Sub(r.at) > window })
	for _, r := range l.recent {
		n = n.Plus(r.Count)
	}
	return n
}

// Return takes back what was asked for at a time and was not removed: it will be asked for again, and would count twice.
func (l *Limit) Return(left plan.Count, asked time.Time) {
	if left == (plan.Count{}) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.recent, func(r removal) bool {
		return r.at.Equal(asked) && r.Copies >= left.Copies && r.References >= left.References
	})
	if i >= 0 { // nobody confirmed in between
		l.recent[i].Count = l.recent[i].Minus(left)
	}
}

// Held reports whether removals are held.
func (l *Limit) Held() bool { return l.held.Load() }

// Hold holds removals from now on.
func (l *Limit) Hold() { l.held.Store(true) }

// Accept lets go of what is held. What changes of namespaces removed within the window stays counted.
func (l *Limit) Accept() { l.held.Store(false) }

// Release lets go of what is held and forgets what was counted, because the user confirmed it.
func (l *Limit) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent = nil
	l.held.Store(false)
}

// Total is the sum over all namespaces.
func Total(counts map[string]plan.Count) (n plan.Count) {
	for _, c := range counts {
		n = n.Plus(c)
	}
	return n
}
