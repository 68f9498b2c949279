package activation

import (
	"fmt"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// state sums up the last evaluation and the problems of the cluster. It is of what is so now and nothing else, so that a restart
// and another leader say the same; what goes back and forth around -max-failing is slowed down where it is written, see annotate.
func (a *Activator) state() string { return a.stateBy(a.Reporter.Health()) }

func (a *Activator) stateBy(h report.Health) string {
	switch {
	case a.evaluator.evaluation.errors != nil:
		return status.Invalid
	case a.unsaved != "", a.Cluster.Blind() != "", h.Degraded():
		return status.Degraded
	}
	return status.Ready
}

// verdict is the state, and says in words why it is that, by one look at the counts: workers change them meanwhile. The message holds
// no time, and no count but those of the namespaces that have problems of their own.
func (a *Activator) verdict() (state, message string) {
	h := a.Reporter.Health()
	return a.stateBy(h), a.inWords(h)
}

// shape is the message without these counts.
func (a *Activator) shape() string { return a.inWords(a.Reporter.Health().Uncounted()) }

func (a *Activator) inWords(h report.Health) string {
	switch a.stateBy(h) {
	case status.Invalid:
		return bound.Text("refused, " + a.evaluator.instead() + ": " + strings.ReplaceAll(a.evaluator.evaluation.errors.Error(), "\n", "; "))
	case status.Degraded:
		return bound.Text(strings.Join(a.troubles(h), "; "))
	}
	if h.Failing == 0 {
		return bound.Text(strings.Join(append([]string{"in force in all namespaces that it selects"}, a.fallback()...), "; "))
	}
	_, own := a.problems()
	parts := append([]string{"in force", h.String()}, a.fallback()...)
	return bound.Text(strings.Join(append(parts, first(own[:min(len(own), 1)])...), "; "))
}

// ownRoom is how much of a message is for the namespaces that have problems of their own, where those of the policy would fill it.
const ownRoom = 2 * bound.MaxText / 5

// troubles say why the policy is degraded, what counts most first: the message is cut.
func (a *Activator) troubles(h report.Health) (parts []string) {
	if a.unsaved != "" {
		parts = append(parts, "accepted, but not in force, because the status ConfigMap cannot be written: "+a.unsaved)
	}
	if what := a.Cluster.Blind(); what != "" {
		parts = append(parts, what+" may not be listed and watched")
	}
	ofPolicy, own := a.problems()
	parts = append(parts, ofPolicy...)
	if h.Failing > 0 {
		tail := strings.Join(append([]string{h.String()}, first(own)...), "; ")
		if len(parts) > 0 {
			parts = []string{bound.TextTo(strings.Join(parts, "; "), bound.MaxText-min(len(tail), ownRoom))}
		}
		parts = append(parts, tail)
	}
	return append(parts, a.fallback()...)
}

// problems words the first problems: those of the policy, and those of namespaces.
func (a *Activator) problems() (ofPolicy, own []string) {
	for _, p := range a.Reporter.Totals().First {
		part := p.Object()
		if in := report.Where(p); in != "" {
			part = fmt.Sprintf("%s %s in namespace %s", p.Kind, p.Name, in)
		}
		if p.Rule != "" {
			part = fmt.Sprintf("rule %s, %s", p.Rule, part)
		}
		part = fmt.Sprintf("%s: %s (%s)", part, p.Detail, p.Reason)
		if p.Scope == string(plan.ScopeNamespace) {
			own = append(own, part)
		} else {
			ofPolicy = append(ofPolicy, part)
		}
	}
	return ofPolicy, own
}

// first says of a list that it goes on.
func first(parts []string) []string {
	if len(parts) > 0 {
		parts[0] = "first: " + parts[0]
	}
	return parts
}

// attached is who gives pods the names of the rules in force that attach to pods.
func (a *Activator) attached() status.Attachment {
	if p := a.Active(); p != nil {
		return a.Publisher.Attachment(p)
	}
	return status.Attachment{}
}

// fallback says which rules attach to service accounts although the policy says pods. An older cluster is no problem of the
// policy, so it does not degrade it.
func (a *Activator) fallback() []string {
	attached := a.attached()
	if attached.Why == "" {
		return nil
	}
	const shown = 5
	rules := strings.Join(attached.Accounts[:min(len(attached.Accounts), shown)], ", ")
	if more := len(attached.Accounts) - shown; more > 0 {
		rules += fmt.Sprintf(" and %d more", more)
	}
	return []string{"attach: pods has no effect in the rules " + rules + ", whose names service accounts get, because " + attached.Why}
}

// view is what the metrics say of the policy; it is called in the goroutine of Run.
func (a *Activator) view() *report.PolicyView {
	if !a.evaluated {
		return nil
	}
	v := &report.PolicyView{Observed: a.evaluator.evaluation.hash, State: a.state()}
	if attached := a.attached(); attached.Why != "" {
		v.OnAccounts = len(attached.Accounts)
	}
	p := a.Active()
	if p != nil && p == a.evaluator.lastGood.policy {
		v.InForce = a.evaluator.inForce()
	}
	switch {
	case v.State == status.Invalid:
	case v.Observed == "":
		v.State = status.Missing
	case v.InForce == "" && a.unsaved == "", p != nil && !a.rollout.done(p):
		v.State = status.Progressing
	}
	return v
}
