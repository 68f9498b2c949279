package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// Observed is what is there, besides the accounts, which policy.Desired carries along.
type Observed struct {
	Namespace *cluster.Namespace
	// AccountsKnown is false when service accounts may not be listed.
	AccountsKnown bool
	// HoldPrune has everything that would be removed kept, and reported.
	HoldPrune bool
	// Promised reports whether the API server itself keeps a name in an account's list, by the admission parameters. Nil:
	// it keeps none, or it is not known, as in a dump.
	Promised func(account *cluster.ServiceAccount, name string) bool
	// Looked are the copy names in use, the policy's and those on their way out, sorted. The slice is shared.
	Looked []string
	// Copies says what there is under these names. One that was looked at and has no entry has no secret; what was not
	// looked at may have one.
	Copies map[string]CopyState
}

// state returns what was observed under a copy's name.
func (o Observed) state(name string) CopyState {
	state, ok := o.Copies[name]
	if !ok {
		_, looked := slices.BinarySearch(o.Looked, name)
		state.Forbidden = !looked // nobody looked, so nothing may be concluded
	}
	return state
}

// CopyState is what was observed under one copy's name.
type CopyState struct {
	Secret    *cluster.Secret // nil: there is none, or it may not be read
	Forbidden bool            // it may not be read
	Leaving   bool            // no rule of the policy has this name, in whatever namespace
}

// Compute decides what to do in one namespace.
func Compute(want policy.Desired, have Observed) Plan {
	p := Plan{Namespace: have.Namespace.Name}
	if have.Namespace.Terminating {
		return p
	}
	copies := make([]Action, 0, len(want.Copies)) // most names in use are of other namespaces
	byName := make(map[string]wantedCopy, len(want.Copies))
	for _, c := range want.Copies {
		state := have.state(c.Name)
		action, referable := decideCopy(c, state, want.Protected[c.Name], p.Namespace)
		copies = append(copies, action)
		ours := state.Secret != nil && state.Secret.Ours()
		byName[c.Name] = wantedCopy{
			referable: referable, prune: c.Rule.Prune,
			adopted: action.AfterAccounts && !ours, kept: action.AfterAccounts && ours,
		}
	}
	for _, c := range want.Conflicts {
		copies = append(copies, Action{Verb: None, Kind: KindSecret, Name: c.Name, Rule: c.Rule.Name, Reason: RuleConflict})
	}
	for name, state := range have.Copies {
		if _, wanted := byName[name]; !wanted && state.Forbidden {
			copies = append(copies, Action{Verb: None, Kind: KindSecret, Name: name, Reason: forbiddenReason(state)})
		}
		if _, wanted := byName[name]; !wanted && state.Secret != nil && state.Secret.Ours() && !want.Protected[name] {
			copies = append(copies, decideLeftover(state.Secret, have))
		}
	}
	for _, account := range want.Accounts {
		p.Actions = append(p.Actions, decideAccount(account, byName, have))
	}
	p.Actions = append(p.Actions, copies...)
	slices.SortStableFunc(p.Actions, func(a, b Action) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.Name, b.Name), strings.Compare(a.Rule, b.Rule))
	})
	return p
}

// forbiddenReason tells a name that was forgotten when the policy got it from one that was taken out of the roles too
// early: what is to be done differs.
func forbiddenReason(state CopyState) Reason {
	if state.Leaving {
		return LeftForbidden
	}
	return CopyForbidden
}

// wantedCopy is what deciding on an account needs to know of a copy.
type wantedCopy struct {
	referable bool // its name may be added
	prune     bool // the rule that decides it prunes
	adopted   bool // it is being taken over from imagepullsecret-patcher, which added its name too
	kept      bool // it was to stay for ever until now, so its names are in no ledger yet
}

// rank orders the kinds of action: a pod that starts without the reference lacks it for ever, one that starts
// without the copy heals by itself, so accounts go first. A copy goes after all references to it.
func rank(a Action) int {
	switch {
	case a.Kind == KindServiceAccount:
		return 0
	case a.Verb != Delete:
		return 1
	}
	return 2
}
