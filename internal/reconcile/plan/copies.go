package plan

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// decideCopy is the decision table of a copy that a rule asks for. It also says whether accounts may get its name;
// where they may not, a name that they have stays.
//
//	source    there is            the rule    what happens                   name
//	usable    nothing                         create                         added
//	usable    ours, equal                     nothing                        added
//	usable    ours, other                     update, or replace             added
//	usable    imagepullsecret-patcher's       update, or replace             added
//	usable    foreign, equal                  nothing                        added
//	usable    foreign, other      force       update, or replace, with diff  added
//	usable    foreign, other      no force    nothing, reported              not added
//	not       ours                            nothing, reported              added
//	not       nothing, foreign                nothing, reported              not added
//	usable    being deleted                   nothing                        added if ours
//	          a source of a rule              nothing                        added if its own
//	          unreadable                      nothing, reported              not added
func decideCopy(want policy.Copy, have CopyState, protected bool, namespace string) (action Action, referable bool) {
	action = Action{Verb: None, Kind: KindSecret, Name: want.Name, Rule: want.Rule.Name, Source: want.Source}
	live := have.Secret
	if live != nil {
		action.UID, action.ResourceVersion = live.UID, live.ResourceVersion
	}
	usable := want.State.Status == policy.SourceUsable
	switch {
	case protected && want.Source == types.NamespacedName{Namespace: namespace, Name: want.Name}:
		action.Reason = OwnSource
		if !usable {
			action.blame(want.State)
		}
		return action, usable
	case protected:
		action.Reason = OtherSource
		return action, false
	case have.Forbidden:
		action.Reason = CopyForbidden
		return action, false
	case !usable:
		action.blame(want.State)
		action.Kept = live != nil && (live.Ours() || live.Ancestor)
		return action, action.Kept
	case live == nil:
		action.Verb, action.Reason, action.Copy = Create, Missing, newCopy(want)
		return action, true
	case live.Deleting:
		action.Reason = BeingDeleted
		return action, live.Ours()
	case live.Ours():
		return decideOurs(action, want, live), true
	case live.Ancestor:
		action.Reason, action.AfterAccounts = Adopted, true
	case live.SameContent(want.State.Source.Secret):
		action.Reason = EqualForeign
		return action, true
	case !want.Rule.Force:
		action.Reason = ForeignSecret
		return action, false
	default:
		action.Reason, action.Owners = TakenOver, live.Owners
	}
	return write(action, want, live), true
}

// decideOurs decides on a copy of ours that is wanted and whose source can be used.
func decideOurs(action Action, want policy.Copy, live *cluster.Secret) Action {
	after := marks(want)
	// The names of a copy that was to stay were kept out of the ledgers. They go in before its mark does, which tells.
	action.AfterAccounts = live.Marks.Prune == "false" && want.Rule.Prune
	switch {
	case !live.SameContent(want.State.Source.Secret):
		action.Reason = SourceChanged
		if !live.Applied || len(live.Owners) > 0 {
			action.Reason, action.Restores, action.Owners = Drifted, true, live.Owners
		}
		return write(action, want, live)
	case live.Marks == after:
		action.Reason = InSync
		return action
	}
	action.Verb, action.Reason, action.Copy = Update, MarksChanged, newCopy(want)
	action.Restores = live.Marks.ManagedBy != after.ManagedBy
	if live.Immutable && live.Content != want.State.Source.Content {
		// The same meaning in other bytes: even these the API forbids to write.
		return write(action, want, live)
	}
	return action
}

// write completes an action that writes a secret's content, with the diff where it is not our own that changes.
func write(action Action, want policy.Copy, live *cluster.Secret) Action {
	source := want.State.Source.Secret
	explain := !live.SameContent(source) && action.Reason != SourceChanged
	action.Verb, action.Copy = Update, newCopy(want)
	switch {
	case live.Type != source.Type:
		action.Verb, action.Reason = Replace, TypeChanged
	case live.Immutable:
		action.Verb, action.Reason = Replace, Immutable
	}
	if explain || action.Verb == Replace && len(live.OtherKeys) > 0 {
		action.Diff = newDiff(live, source, action.Copy.Marks, action.Verb == Replace)
	}
	return action
}

func newCopy(want policy.Copy) *Copy {
	source := want.State.Source
	return &Copy{Type: source.Type, Credential: source.Credential, Marks: marks(want)}
}

// blame notes why a source cannot be used.
func (a *Action) blame(state policy.SourceState) {
	switch state.Status {
	case policy.SourceForbidden:
		a.Reason = SourceForbidden
	case policy.SourceIsCopy:
		a.Reason = SourceIsCopy
	case policy.SourceInvalid:
		a.Reason, a.Defect, a.Cause = SourceInvalid, state.Source.Defect, state.Source.Cause
	default:
		a.Reason = SourceMissing
	}
}

func marks(want policy.Copy) cluster.Marks {
	m := cluster.Marks{ManagedBy: cluster.FieldManager, Rule: want.Rule.Name, Source: want.Source.String()}
	if !want.Rule.Prune {
		m.Prune = "false"
	}
	return m
}

// decideLeftover decides on a copy of ours that no rule asks for.
func decideLeftover(live *cluster.Secret, have Observed) Action {
	action := Action{
		Verb: None, Kind: KindSecret, Name: live.Name,
		UID: live.UID, ResourceVersion: live.ResourceVersion,
	}
	switch {
	case live.Deleting:
		action.Reason = BeingDeleted
	case live.Marks.Prune == "false":
		action.Reason = PruneOff
	case len(live.OtherKeys) > 0:
		action.Reason = OtherData
	case !have.AccountsKnown:
		action.Reason = AccountsUnknown
	case have.HoldPrune:
		action.Reason = PruneHeld
	default:
		action.Verb, action.Reason, action.AfterAccounts = Delete, NotWanted, true
	}
	return action
}
