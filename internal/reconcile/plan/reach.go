package plan

import (
	"slices"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// RuleReach is how far a rule reaches in a namespace that it selects.
type RuleReach struct {
	Name     string
	Accounts int // that get a name by it
}

// reach is how far each rule reaches that selects the namespace.
func reach(want policy.Desired) (out []RuleReach) {
	for _, rule := range want.Rules() {
		r := RuleReach{Name: rule.Name}
		for _, account := range want.Accounts {
			if slices.ContainsFunc(account.Names, func(n policy.Name) bool { return n.Rule == rule }) {
				r.Accounts++
			}
		}
		out = append(out, r)
	}
	return out
}
