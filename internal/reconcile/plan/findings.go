package plan

import (
	"time"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// Findings are what is to be said of a source beside its status, as far as the source itself tells it, in order. before is
// how long before a credential ends it is said that it does; 0 for never.
func Findings(state policy.SourceState, now time.Time, before time.Duration) (out []policy.Finding) {
	if state.Status != policy.SourceUsable {
		return nil
	}
	if content := state.Source.Content; content != nil {
		for _, text := range content.Warnings {
			out = append(out, NewFinding(SourceDoubtful, text))
		}
	}
	return append(out, expiryFindings(state.Source, now, before)...)
}

// NewFinding is a finding about a source. It degrades the policy where its reason is a problem.
func NewFinding(reason Reason, text string) policy.Finding {
	if do := reason.Meaning().Do; do != "" {
		text += ": " + do
	}
	return policy.Finding{Reason: string(reason), Text: text, Problem: reason.Problem()}
}

// InSource reports whether Findings tells of this reason, so that who may read the source needs nobody else to know.
func (r Reason) InSource() bool {
	switch r {
	case SourceDoubtful, SourceExpired, SourceExpiring, ExpiryUnreadable:
		return true
	}
	return false
}
