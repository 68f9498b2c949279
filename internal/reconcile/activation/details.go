package activation

import (
	"bytes"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// rules is what came of the rules in force, in their order. One that selects nothing is among them.
func (a *Activator) rules() (out []status.RuleTotals) {
	p := a.Active()
	if p == nil {
		return nil
	}
	sums := a.Reporter.Rules()
	for _, rule := range p.Rules {
		totals := sums[rule.Name]
		totals.Name = rule.Name
		out = append(out, totals)
	}
	return out
}

// sourceSummaries are the sources of the policy in force.
func (a *Activator) sourceSummaries() []status.SourceSummary {
	p := a.Active()
	if p == nil {
		return nil
	}
	return status.SummariesOf(a.Cluster.Sources(p))
}

// fullProblems are all problems as they were packed last. To pack thousands takes time, and the activator looks at everything
// twenty times a second.
type fullProblems struct {
	version uint64
	room    int
	packed  []byte
}

// behind reports whether the status ConfigMap may hold other problems than there are.
func (f *fullProblems) behind(r *report.Reporter, saved *cluster.ConfigMap) bool {
	return f.version != r.ProblemVersion() || !bytes.Equal(f.packed, saved.BinaryData[status.KeyProblems])
}

// pack packs the problems into so many bytes, if they are others than before.
func (f *fullProblems) pack(r *report.Reporter, room int) ([]byte, error) {
	if f.version == r.ProblemVersion() && f.room == room {
		return f.packed, nil
	}
	all, version := r.AllProblems()
	packed, err := status.PackProblems(all, room)
	if err != nil {
		return nil, err
	}
	*f = fullProblems{version, room, packed}
	return packed, nil
}
