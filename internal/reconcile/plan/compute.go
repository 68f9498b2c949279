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
	// Installation is who asks. Copies and ledgers of another one are as anybody else's.
	Installation cluster.Installation
	// AccountsKnown is false when service accounts may not be listed.
	AccountsKnown bool
	// HoldPrune has everything that would be removed kept, and reported.
	HoldPrune bool
	// Guaranteed reports whether the API server itself keeps a name in an account's list, by the admission parameters. Nil:
	// it keeps none, or it is not known, as in a dump.
	Guaranteed func(account *cluster.ServiceAccount, name string) bool
	// Promised reports whether a policy that is about to come in force has the API server add a name to an account's list. Nil:
	// none is, or it adds none.
	Promised func(account *cluster.ServiceAccount, name string) bool
	// Looked are the copy names in use, the policy's and those on their way out, sorted. The slice is shared.
	Looked []string
	// Copies says what there is under these names. One that was looked at and has no entry has no secret; what was not
	// looked at may have one.
	Copies map[string]CopyState

	awaited map[string]bool // copies that no rule asks for any more, and that stay until what replaces them is there, or the next policy is in force that asks for them
}

// state returns what was observed under a copy's name.
func (o Observed) state(name string) CopyState {
	state, ok := o.Copies[name]
	if !ok {
		state.Forbidden = !o.looked(name) // nobody looked, so nothing may be concluded
	}
	return state
}

// promised reports whether the API server is about to add a name to an account's list, and perhaps did already: whatever this
// policy says of it, it would put it back.
func (o Observed) promised(account *cluster.ServiceAccount, name string) bool {
	return o.Promised != nil && o.Promised(account, name)
}

// promisedToAny is the same of accounts that have the name from us. Its copy stays with it, or the name would lead nowhere, and
// what the next policy makes would be another secret to the kubelet.
func (o Observed) promisedToAny(accounts []policy.Account, ledgers []ledger, name string) bool {
	if o.Promised == nil {
		return false
	}
	for i, account := range accounts {
		if slices.Contains(ledgers[i].names, name) && slices.Contains(account.PullSecrets, name) && o.promised(account.ServiceAccount, name) {
			return true
		}
	}
	return false
}

// await has a copy that no rule asks for stay.
func (o *Observed) await(name string) {
	if o.awaited == nil {
		o.awaited = map[string]bool{}
	}
	o.awaited[name] = true
}

// looked reports whether it is known what there is under a copy's name, be it that it may not be read.
func (o Observed) looked(name string) bool {
	if _, ok := o.Copies[name]; ok {
		return true
	}
	_, ok := slices.BinarySearch(o.Looked, name)
	return ok
}

// CopyState is what was observed under one copy's name.
type CopyState struct {
	Secret    *cluster.Secret // nil: there is none, or it may not be read
	Forbidden bool            // it may not be read
	Leaving   bool            // no rule of the policy has this name, in whatever namespace
	// Insisted says that another field manager wrote its own content again after each of our repairs.
	Insisted bool
}

// Decide is the whole decision about one namespace: what its policy wants, held against what there is.
func Decide(p *policy.Policy, in policy.Inputs, have Observed) Plan {
	return Compute(p.Desired(in), have)
}

// Compute decides what to do in one namespace.
func Compute(want policy.Desired, have Observed) Plan {
	p := Plan{Namespace: have.Namespace.Name}
	if have.Namespace.Terminating {
		return p
	}
	p.Rules = reach(want)
	ledgers := readLedgers(want.Accounts, have)
	copies := make([]Action, 0, len(want.Copies)) // most names in use are of other namespaces
	byName := make(map[string]wantedCopy, len(want.Copies))
	for _, c := range want.Copies {
		live := observedCopy{CopyState: have.state(c.Name), protected: want.Protected[c.Name]}
		live.owner, live.home = have.Installation.Owns(live.Secret, vouched(ledgers, c.Name))
		action, referable := decideCopy(c, live, have)
		copies = append(copies, action)
		p.count(live.owner == cluster.Ours && !live.protected)
		byName[c.Name] = wantedCopy{referable: referable, prune: c.Rule.Prune, adopted: action.AfterAccounts}
	}
	have.awaited = awaited(want.Copies, copies, have)
	for name := range have.Copies {
		if _, wanted := byName[name]; !wanted && have.promisedToAny(want.Accounts, ledgers, name) {
			have.await(name)
		}
	}
	for _, c := range want.Conflicts {
		copies = append(copies, decideConflict(c))
	}
	for name, state := range have.Copies {
		if _, wanted := byName[name]; wanted || want.Protected[name] && !state.Forbidden {
			continue
		}
		keeper := func() string { return keeper(ledgers, name, have) }
		owner, home := have.Installation.OwnsUnwanted(state.Secret, vouched(ledgers, name), keeper)
		p.count(owner == cluster.Ours)
		if action, ok := decideUnwanted(name, state, owner, home, have); ok {
			copies = append(copies, action)
		}
	}
	for i, account := range want.Accounts {
		p.There.References += ledgers[i].references(account.PullSecrets, have)
		p.Untracked = append(p.Untracked, ledgers[i].untracked(have)...)
		p.Actions = append(p.Actions, decideAccount(account, ledgers[i], byName, have))
	}
	p.Actions = append(p.Actions, copies...)
	slices.SortStableFunc(p.Actions, func(a, b Action) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.Name, b.Name), strings.Compare(a.Rule, b.Rule))
	})
	return p
}

// decideConflict says of a rule that it adds nothing, because an earlier one makes the copy from another source.
func decideConflict(c policy.Conflict) Action {
	action := Action{Verb: None, Kind: KindSecret, Name: c.Name, Rule: c.Rule.Name, Winner: c.Winner.Name, Reason: RuleConflict}
	if c.Meant() {
		action.Reason = Overridden
	}
	return action
}

// awaited are the copies of ours that no rule asks for any more, and whose rule or source wants a copy of another name by now that
// is not there, because the registries of its source are asked or refuse it: what pods pull with does not go before that has come.
func awaited(wanted []policy.Copy, decided []Action, have Observed) map[string]bool {
	var stays map[string]bool
	for i, c := range wanted {
		if a := decided[i]; a.Kept || a.Reason != SourceVerifying && a.Reason != SourceRefused {
			continue
		}
		for name, state := range have.Copies {
			if s := state.Secret; s != nil && (s.Marks.Rule == c.Rule.Name || s.Marks.Source == c.Source.String()) &&
				!slices.ContainsFunc(wanted, func(w policy.Copy) bool { return w.Name == name }) {
				if stays == nil {
					stays = map[string]bool{}
				}
				stays[name] = true
			}
		}
	}
	return stays
}

// observedCopy is what there is under the name of a copy that is wanted.
type observedCopy struct {
	CopyState
	protected bool // it is the source of a rule
	owner     cluster.Ownership
	home      string // of the other installation that made it
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
