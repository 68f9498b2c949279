package activation

import (
	"fmt"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// state sums up the last evaluation and the problems of the cluster.
func (a *Activator) state() string {
	switch {
	case a.evaluator.evaluation.errors != nil:
		return status.Invalid
	case a.unsaved != "", a.Cluster.Blind() != "", a.Reporter.AnyProblem():
		return status.Degraded
	}
	return status.Ready
}

// message says in words why the state is what it is. It holds no time and no count that changes by itself.
func (a *Activator) message() string {
	switch a.state() {
	case status.Invalid:
		return bound.Text("refused, " + a.evaluator.instead() + ": " + strings.ReplaceAll(a.evaluator.evaluation.errors.Error(), "\n", "; "))
	case status.Degraded:
		t := a.Reporter.Totals()
		var parts []string
		if a.unsaved != "" {
			parts = append(parts, "accepted, but not in force, because the status ConfigMap cannot be written: "+a.unsaved)
		}
		if what := a.Cluster.Blind(); what != "" {
			parts = append(parts, what+" may not be listed and watched")
		}
		for _, p := range t.First {
			part := p.Object()
			if in := report.Where(p); in != "" {
				part = fmt.Sprintf("%s %s in namespace %s", p.Kind, p.Name, in)
			}
			if p.Rule != "" {
				part = fmt.Sprintf("rule %s, %s", p.Rule, part)
			}
			parts = append(parts, fmt.Sprintf("%s: %s (%s)", part, p.Detail, p.Reason))
		}
		return bound.Text(strings.Join(append(parts, a.fallback()...), "; "))
	}
	return bound.Text(strings.Join(append([]string{"in force in all namespaces that it selects"}, a.fallback()...), "; "))
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
