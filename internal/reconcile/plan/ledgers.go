package plan

import (
	"iter"
	"slices"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// ledger is what the record on a service account says to the installation that asks.
type ledger struct {
	cluster.Ledger
	names []string // that it added
	other string   // the home of another installation, if that one keeps the record
}

// readLedgers reads the ledgers of a namespace, one for each account. One in the form of an earlier version names no
// installation; there, the copy of each name says whether it is another one's.
func readLedgers(accounts []policy.Account, have Observed) []ledger {
	out := make([]ledger, len(accounts))
	for i, account := range accounts {
		l := &out[i]
		l.Ledger = cluster.ParseLedger(account.Ledger)
		l.names, l.other = have.Installation.Noted(account.Namespace, l.Ledger)
		if l.Home == "" {
			l.withoutOthers(have)
		}
	}
	return out
}

// withoutOthers leaves out the names whose copies are another installation's. If those are all, it keeps the ledger.
func (l *ledger) withoutOthers(have Observed) {
	var names []string
	other := ""
	for _, name := range l.names {
		if owner, home := have.Installation.Owns(have.Copies[name].Secret, true); owner == cluster.OtherInstallation {
			other = home
			continue
		}
		names = append(names, name)
	}
	if l.names = names; len(names) == 0 {
		l.other = other
	}
}

// kept reports whether the record is the installation's and has no name in it, as rules with prune: false leave it. Another
// installation adds nothing as long as it is there.
func (l ledger) kept(have Observed) bool {
	return l.Home == have.Installation.Home && l.Namespace == have.Namespace.Name && len(l.names) == 0
}

// vouched reports whether a ledger of the namespace vouches for a copy, see cluster.Ledger.Vouches.
func vouched(ledgers []ledger, name string) bool {
	return slices.ContainsFunc(ledgers, func(l ledger) bool { return l.Vouches(name) })
}

// keeper is another installation that a secret without marks may be of, see cluster.Installation.Keeper.
func keeper(ledgers []ledger, name string, have Observed) string {
	var all []cluster.Ledger
	for _, l := range ledgers {
		all = append(all, l.Ledger)
	}
	return have.Installation.Keeper(have.Namespace.Name, name, all, SecretsOf(have.Copies))
}

// SecretsOf are the secrets that there are under copy names.
func SecretsOf(copies map[string]CopyState) iter.Seq[*cluster.Secret] {
	return func(yield func(*cluster.Secret) bool) {
		for _, c := range copies {
			if c.Secret != nil && !yield(c.Secret) {
				return
			}
		}
	}
}

// untracked are the names that nobody looked for.
func (l ledger) untracked(have Observed) (names []string) {
	for _, name := range l.names {
		if !have.looked(name) {
			names = append(names, name)
		}
	}
	return names
}

// references counts the entries of a list that the installation added. Those whose copies nobody looked for may be
// another one's.
func (l ledger) references(list []string, have Observed) (n int) {
	for _, name := range list {
		if slices.Contains(l.names, name) && have.looked(name) {
			n++
		}
	}
	return n
}
