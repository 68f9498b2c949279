package plan

import "github.com/pullsecrets/pullsecrets/internal/policy"

// Findings are what is to be said of a source beside its status, as far as the source itself tells it, in order.
func Findings(state policy.SourceState) (out []policy.Finding) {
	if state.Status != policy.SourceUsable || state.Source.Content == nil {
		return nil
	}
	for _, text := range state.Source.Content.Warnings {
		out = append(out, NewFinding(SourceDoubtful, text))
	}
	return out
}

// NewFinding is a finding about a source. It degrades the policy where its reason is a problem.
func NewFinding(reason Reason, text string) policy.Finding {
	return policy.Finding{Reason: string(reason), Text: text, Problem: reason.Problem()}
}

// InSource reports whether Findings tells of this reason, so that who may read the source needs nobody else to know.
func (r Reason) InSource() bool { return r == SourceDoubtful }
