package status

import (
	"slices"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// Attachment says who gives pods the names of rules that attach to pods.
type Attachment struct {
	Pods     []string `json:"pods,omitempty"`     // rules whose names the API server adds to pods, at most ShownRules
	Accounts []string `json:"accounts,omitempty"` // rules whose names service accounts have in the meantime, at most ShownRules
	// Undecided are rules of which that is not known, so service accounts keep the names that they have; at most ShownRules.
	Undecided []string `json:"undecided,omitempty"`
	Why       string   `json:"why,omitempty"` // service accounts have them; "" where the API server is only waited for
}

// Of says who gives out the names of a rule. Of one that it does not know yet it is the API server, as the policy says.
func (a Attachment) Of(rule *policy.Rule) policy.Attached {
	switch {
	case slices.Contains(a.Accounts, rule.Name):
		return policy.ToAccounts
	case slices.Contains(a.Undecided, rule.Name):
		return policy.Undecided
	}
	return policy.ToPods
}

// bounded leaves out the rules beyond ShownRules.
func (a Attachment) bounded() Attachment {
	for _, list := range []*[]string{&a.Pods, &a.Accounts, &a.Undecided} {
		*list = (*list)[:min(len(*list), ShownRules)]
	}
	return a
}
