package plan

import (
	"slices"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// decideAccount decides on one service account, for all rules at once. Presence counts, not ownership: a name that
// is there already is neither written nor claimed, so that two polite controllers come to rest.
//
// reference says of each wanted copy's name whether it may be added. A name that is wanted but may not be added now
// is not removed either. copies gives the rule that decides each copy: where that rule does not prune, the name
// stays out of the ledger.
func decideAccount(account policy.Account, reference map[string]bool, copies map[string]policy.Copy) Action {
	action := Action{
		Verb: None, Kind: KindServiceAccount, Name: account.Name, Reason: InSync,
		UID: account.UID, ResourceVersion: account.ResourceVersion, Serves: len(account.Names) > 0,
	}
	ledger := ParseLedger(account.Ledger)
	wanted := func(name string) bool {
		return slices.ContainsFunc(account.Names, func(n policy.Name) bool { return n.Name == name })
	}
	next := &List{}
	for _, name := range account.PullSecrets {
		if slices.Contains(ledger, name) && !wanted(name) {
			next.Removed = append(next.Removed, name)
		} else {
			next.Names = append(next.Names, name)
		}
	}
	for _, name := range ledger {
		if wanted(name) && copies[name].Rule.Prune {
			next.Ledger = append(next.Ledger, name)
		}
	}
	for _, n := range account.Names {
		if !reference[n.Name] || slices.Contains(account.PullSecrets, n.Name) {
			continue
		}
		next.Names = append(next.Names, n.Name)
		next.Added = append(next.Added, n.Name)
		if copies[n.Name].Rule.Prune && !slices.Contains(next.Ledger, n.Name) {
			next.Ledger = append(next.Ledger, n.Name)
		}
	}
	nothingOfOurs := len(account.Names) == 0 && len(next.Ledger) == 0
	switch {
	case len(next.Added) > 0 && len(next.Removed) > 0:
		action.Reason = NamesChanged
	case len(next.Added) > 0:
		action.Reason = NamesMissing
	case len(next.Removed) > 0:
		action.Reason = NamesNotWanted
	case !slices.Equal(ledger, next.Ledger):
		action.Reason = LedgerStale
	case nothingOfOurs && account.Applied:
		action.Verb, action.Reason = Release, NothingOfOurs
		return action
	default:
		return action
	}
	next.Release = nothingOfOurs
	action.Verb, action.List = SetList, next
	action.Rule = firstRule(account, next.Added)
	return action
}

// firstRule names the rule that brought the first of the added names, for the log and the counts.
func firstRule(account policy.Account, added []string) string {
	for _, n := range account.Names {
		if slices.Contains(added, n.Name) {
			return n.Rule.Name
		}
	}
	return ""
}

// ParseLedger reads a ledger annotation. People edit annotations, so empty and repeated names and spaces are
// passed over.
func ParseLedger(text string) []string {
	var out []string
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// FormatLedger writes a ledger annotation.
func FormatLedger(names []string) string { return strings.Join(names, ",") }
