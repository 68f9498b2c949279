package report

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// ofSources is whose the problems are that are found in sources.
const ofSources = "sources"

// sourceFindings is what is said of the sources of a policy.
type sourceFindings struct {
	all  []status.SourceFinding // in order; not changed once it is there
	seen map[types.NamespacedName]seenSource
}

// seenSource is a source as it was when its findings were logged.
type seenSource struct {
	content  *cluster.Content // nil if it holds none
	findings []policy.Finding
}

// Sources takes in the states of all sources. Problems among their findings become problems of no namespace; warnings are
// logged, and shown. The states are gathered again after every event, so one that stays as it is is told once.
func (r *Reporter) Sources(states map[types.NamespacedName]policy.SourceState) {
	var all []status.SourceFinding
	var problems []status.Problem
	for _, f := range policy.SourceFindings(states) {
		all = append(all, status.SourceFinding{Source: f.Source.String(), Reason: f.Reason, Message: bound.Text(f.Text), Problem: f.Problem})
		if f.Problem {
			problems = append(problems, status.Problem{
				Kind: string(plan.KindSecret), Name: f.Source.Name, Source: f.Source.String(), Reason: f.Reason, Detail: f.Text,
			})
		}
	}
	r.OfNone(ofSources, problems)
	r.mu.Lock()
	r.logWarnings(states)
	same := slices.Equal(r.sources.all, all)
	r.sources.all = all
	r.mu.Unlock()
	if !same {
		r.Changed()
	}
}

// logWarnings logs the warnings that are new, and those of a credential that is.
func (r *Reporter) logWarnings(states map[types.NamespacedName]policy.SourceState) {
	now := map[types.NamespacedName]seenSource{}
	for key, state := range states {
		now[key] = seenSource{findings: state.Findings}
		if state.Source != nil {
			now[key] = seenSource{state.Source.Content, state.Findings}
		}
	}
	for _, f := range policy.SourceFindings(states) {
		before := r.sources.seen[f.Source]
		if !f.Problem && (before.content != now[f.Source].content || !slices.Contains(before.findings, f.Finding)) {
			r.Log.Warn().Str("source", f.Source.String()).Str("reason", f.Reason).Msg(f.Text)
		}
	}
	r.sources.seen = now
}

// shown are the first findings, and how many more there are.
func (s sourceFindings) shown() (first []status.SourceFinding, more int) {
	n := min(len(s.all), status.ShownFindings)
	return s.all[:n:n], len(s.all) - n
}

// SourceFindings returns what the status shows of the sources.
func (r *Reporter) SourceFindings() []status.SourceFinding {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, _ := r.sources.shown()
	return first
}
