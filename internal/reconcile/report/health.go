package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// Health is how much the problems of the cluster weigh.
type Health struct {
	OfPolicy int // problems of the policy's scope
	Selected int // namespaces that a rule selects, and those that fail besides
	Failing  int // of these: namespaces that have a problem of their own
	Limit    int // more of them degrade the policy

	reasons   map[string]int // of the problems of namespaces, with how many have one
	uncounted bool
}

// Limit is how many of the selected namespaces may have problems of their own at this percentage. It rounds down, so that more
// than Limit is exactly failing*100 > percent*selected: of nine namespaces at 10 percent, none.
func Limit(selected, percent int) int { return selected * percent / 100 }

// Degraded reports whether the policy counts as Degraded by its problems.
func (h Health) Degraded() bool { return h.OfPolicy > 0 || h.Exceeded() }

// Exceeded reports whether more namespaces have problems of their own than may.
func (h Health) Exceeded() bool { return h.Failing > h.Limit }

// Uncounted is the same with every number left out of its text: what differs in nothing else is no news.
func (h Health) Uncounted() Health {
	h.uncounted = true
	return h
}

// String says how many namespaces have which problems; empty if none has. There are as many reasons at most as there are
// problems of this scope.
func (h Health) String() string {
	if h.Failing == 0 {
		return ""
	}
	have := "have problems of their own"
	if h.Failing == 1 && !h.uncounted {
		have = "has problems of its own"
	}
	limit := ""
	if h.Exceeded() {
		limit = ", more than the " + h.number(h.Limit) + " that -max-failing allows"
	}
	var reasons []string
	for _, reason := range h.byWeight() {
		reasons = append(reasons, h.number(h.reasons[reason])+" "+reason)
	}
	return fmt.Sprintf("%s of %s namespaces %s%s: %s", h.number(h.Failing), h.number(h.Selected), have, limit, strings.Join(reasons, ", "))
}

func (h Health) number(n int) string {
	if h.uncounted {
		return "n"
	}
	return strconv.Itoa(n)
}

// byWeight are the reasons, that of the most namespaces first; without numbers they stand in the order of their names.
func (h Health) byWeight() []string {
	if h.uncounted {
		return slices.Sorted(maps.Keys(h.reasons))
	}
	return slices.SortedFunc(maps.Keys(h.reasons), func(a, b string) int {
		return cmp.Or(cmp.Compare(h.reasons[b], h.reasons[a]), strings.Compare(a, b))
	})
}

// Health sums up how much the problems weigh.
func (r *Reporter) Health() Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Health{
		OfPolicy: r.ofPolicy, Selected: r.selected, Failing: r.failing, Limit: Limit(r.selected, r.MaxFailing), reasons: maps.Clone(r.reasons),
	}
}

// weigh adds a namespace to what Health sums up, or takes it away with -1. A namespace that no rule selects counts where
// something that is left in it has a problem: so there are never more that fail than there are.
func (r *Reporter) weigh(s *summary, sign int) {
	own := s.own()
	if s.selected || len(own) > 0 {
		r.selected += sign
	}
	if len(own) > 0 {
		r.failing += sign
	}
	for _, reason := range own {
		if r.reasons[reason] += sign; r.reasons[reason] == 0 {
			delete(r.reasons, reason)
		}
	}
}

// own are the reasons of the problems that a namespace has of its own, each once.
func (s *summary) own() (reasons []string) {
	for _, p := range s.problems {
		if p.Scope == string(plan.ScopeNamespace) {
			reasons = append(reasons, p.Reason)
		}
	}
	slices.Sort(reasons)
	return slices.Compact(reasons)
}
