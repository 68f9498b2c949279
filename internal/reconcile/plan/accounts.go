package plan

import (
	"slices"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// decideAccount decides on one service account, for all rules at once. Presence counts, not ownership: a name that
// is there already is neither written nor claimed, so that two polite controllers come to rest.
//
// A name that is wanted but may not be added now is not removed either. Where the rule that decides a copy does not
// prune, the copy's name stays out of the ledger. It stays out of it when that rule prunes later: nothing tells any more whether we
// added it or somebody else did.
//
// An account that is being deleted and waits for its finalizers is treated like any other: until it is gone, pods start with
// it and get its list.
//
// When we apply a list, our field manager owns it, and the API server refuses a plain server-side apply of it by anybody else.
// Where our ownership is not needed, we release it: right after the write that took it, or with a later plan if that release
// failed.
//
// Where another installation keeps the ledger, nothing is written: it would have to be noted who added which name.
func decideAccount(account policy.Account, ledger ledger, copies map[string]wantedCopy, have Observed) Action {
	action := Action{
		Verb: None, Kind: KindServiceAccount, Name: account.Name, Reason: InSync,
		UID: account.UID, ResourceVersion: account.ResourceVersion, Serves: len(account.Names) > 0,
	}
	if ledger.other != "" {
		if slices.ContainsFunc(account.Names, func(n policy.Name) bool {
			return copies[n.Name].referable && !n.Keep && !slices.Contains(account.PullSecrets, n.Name)
		}) {
			action.Reason, action.Home = OtherInstallation, ledger.other
		}
		return action
	}
	next, held, adopted := nextList(account, ledger.names, copies, have)
	nothingOfOurs := len(account.Names) == 0 && len(next.Ledger) == 0
	// Whose the names are that nobody looked for is known to nobody yet, so they are not claimed.
	next.Unnamed = ledger.Home == "" && len(ledger.untracked(have)) > 0
	next.Release = nothingOfOurs || mayGiveUp(account, next, copies, have)
	switch {
	case len(next.Added) > 0 && len(next.Removed) > 0:
		action.Reason = NamesChanged
	case len(next.Added) > 0:
		action.Reason = NamesMissing
	case len(next.Removed) > 0 && next.Moved == len(next.Removed):
		action.Reason = NamesMoved
	case len(next.Removed) > 0:
		action.Reason = NamesNotWanted
	case adopted:
		action.Reason = NamesAdopted
	case !slices.Equal(ledger.names, next.Ledger):
		action.Reason = LedgerStale
	case nothingOfOurs && account.Applied: // takes a record without names along
		action.Verb, action.Reason = Release, NothingOfOurs
		return action
	case nothingOfOurs && ledger.kept(have):
		action.Reason = LedgerStale
	case held: // this is said until it ends; what else there is to do can wait
		action.Reason = PruneHeld
		return action
	case next.Release && account.OwnsList:
		action.Verb, action.Reason = Release, NamesPromised
		return action
	default:
		return action
	}
	action.Verb, action.List = SetList, next
	action.Rule = firstRule(account, next.Added)
	if slices.ContainsFunc(next.Added, func(name string) bool { return slices.Contains(ledger.names, name) }) {
		action.Restores = true
	}
	action.Owners = account.Owners
	return action
}

// nextList works out the list and the ledger. held says that names stay which would be removed otherwise, adopted
// that the ledger takes over names that imagepullsecret-patcher added.
//
// A name whose copy nobody looked for is kept: with the name, the ledger would lose what tells that the copy is ours. So is one
// that the next policy has the API server add: all is decided again as soon as that is in force.
func nextList(account policy.Account, ledger []string, copies map[string]wantedCopy, have Observed) (next *List, held, adopted bool) {
	next = &List{}
	moved := func(name string) bool { return contains(account.ByPods, name) }
	wanted := func(name string) bool { // what pods do not get instead stays
		return contains(account.Names, name) || moved(name) && !copies[name].referable
	}
	awaited := func(name string) bool { return have.awaited[name] || have.promised(account.ServiceAccount, name) }
	for _, name := range account.PullSecrets {
		unwanted := slices.Contains(ledger, name) && !wanted(name) && have.looked(name) && !awaited(name)
		if unwanted && !have.HoldPrune {
			next.Removed = append(next.Removed, name)
			if moved(name) {
				next.Moved++
			}
			continue
		}
		held = held || unwanted
		next.Names = append(next.Names, name)
	}
	for _, name := range ledger {
		stays := (have.HoldPrune || awaited(name)) && slices.Contains(account.PullSecrets, name) || !have.looked(name)
		if wanted(name) && copies[name].prune || !wanted(name) && stays {
			next.Ledger = append(next.Ledger, name)
		}
	}
	for _, n := range account.Names {
		c := copies[n.Name]
		present := slices.Contains(account.PullSecrets, n.Name)
		if !c.referable || present && !c.adopted || n.Keep && !present {
			continue
		}
		if !present {
			next.Names = append(next.Names, n.Name)
			next.Added = append(next.Added, n.Name)
		}
		if c.prune && !slices.Contains(next.Ledger, n.Name) {
			next.Ledger = append(next.Ledger, n.Name)
			adopted = adopted || present
		}
	}
	return next, held, adopted
}

// mayGiveUp reports whether a list is of use to others, and need not be ours for our names to stay in it. That others
// have entries in it counts as much as that they own it: an owner loses it to us with the write that makes it ours.
func mayGiveUp(account policy.Account, next *List, copies map[string]wantedCopy, have Observed) bool {
	if have.Guaranteed == nil {
		return false
	}
	shared := len(account.Owners) > 0
	for _, name := range next.Names {
		stays := contains(account.Names, name) && !copies[name].prune // so it is in no ledger, and may be ours
		switch {
		case !stays && !slices.Contains(next.Ledger, name):
			shared = true
		case !have.Guaranteed(account.ServiceAccount, name):
			return false
		}
	}
	return shared
}

func contains(names []policy.Name, name string) bool {
	return slices.ContainsFunc(names, func(n policy.Name) bool { return n.Name == name })
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
