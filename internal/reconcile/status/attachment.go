package status

import (
	"slices"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// Attachment says who gives pods the names of rules that attach to pods. A rule of neither list is on its way from service
// accounts to pods.
type Attachment struct {
	Pods     []string `json:"pods,omitempty"`     // rules whose names the API server adds to pods, at most ShownRules
	Accounts []string `json:"accounts,omitempty"` // rules whose names service accounts have in the meantime, at most ShownRules
	Why      string   `json:"why,omitempty"`      // service accounts have them; "" where the API server is only waited for
}

// Of says who gives out the names of a rule. Of one that it does not know yet it is the API server, as the policy says.
func (a Attachment) Of(rule *policy.Rule) policy.Attached {
	switch {
	case slices.Contains(a.Accounts, rule.Name):
		return policy.ToAccounts
	default:
		return policy.ToPods
	}
}

// bounded leaves out the rules beyond ShownRules.
func (a Attachment) bounded() Attachment {
	a.Pods, a.Accounts = a.Pods[:min(len(a.Pods), ShownRules)], a.Accounts[:min(len(a.Accounts), ShownRules)]
	return a
}
