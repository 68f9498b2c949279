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
//	usable    another installation's          nothing, reported              not added
//	usable    foreign, other      force       update, or replace, with diff  added
//	usable    foreign, other      no force    nothing, reported              not added
//	usable    ours, insisted      no force    release, reported; update      not added
//	                                          if our marks are theirs too
//	asked     what would be written           nothing, waits                 as it is; added if there is nothing
//	not       ours                            nothing, reported              added
//	not       nothing, foreign                nothing, reported              not added
//	usable    ours, being deleted             update; reported if that       added
//	                                          would take a replacement
//	usable    foreign, equal, being deleted   nothing                        added
//	usable    foreign, other, being deleted   nothing, reported              not added
//	          a source of a rule              nothing                        added if its own
//	          unreadable                      nothing, reported              not added
func decideCopy(want policy.Copy, there observedCopy, have Observed) (action Action, referable bool) {
	if want.State.Status == policy.SourceVerifying {
		return decideVerifying(want, there, have)
	}
	action = Action{Verb: None, Kind: KindSecret, Name: want.Name, Rule: want.Rule.Name, Source: want.Source}
	live, ours := there.Secret, there.owner == cluster.Ours
	after := marks(want, have)
	if live != nil {
		action.UID, action.ResourceVersion = live.UID, live.ResourceVersion
	}
	usable := want.State.Status == policy.SourceUsable
	switch {
	case there.protected && want.Source == types.NamespacedName{Namespace: have.Namespace.Name, Name: want.Name}:
		action.Reason = OwnSource
		if !usable {
			action.blame(want.State)
		}
		return action, usable
	case there.protected:
		action.Reason = OtherSource
		return action, false
	case there.Forbidden:
		action.Reason = CopyForbidden
		return action, false
	case want.State.Status == policy.SourceRefused && ours && !live.Deleting && live.SameContent(want.State.Source.Secret) && !sameMarks(live, after):
		return decideOurs(action, want, live, after), true // nothing new is written of the credential
	case !usable:
		action.blame(want.State)
		action.Kept = live != nil && (ours || adoptable(live))
		return action, action.Kept
	case live == nil:
		action.Verb, action.Reason, action.Copy = Create, Missing, newCopy(want, after)
		return action, true
	case ours && there.Insisted && live.IsOthers() && !want.Rule.Force && !live.SameContent(want.State.Source.Secret):
		// It has another owner now. Our marks on it go, so that this is known after a restart too.
		action.Verb, action.Reason, action.Owners = Release, ForeignSecret, live.Owners
		action.Copy = &Copy{Type: live.Type}
		return action, false
	case live.Deleting:
		return decideDeleting(action, want, there, after)
	case ours:
		return decideOurs(action, want, live, after), true
	case adoptable(live):
		action.Reason, action.AfterAccounts = Adopted, true
	case live.SameContent(want.State.Source.Secret):
		action.Reason = EqualForeign
		return action, true
	case there.owner == cluster.OtherInstallation:
		action.Reason, action.Home = OtherInstallation, there.home
		return action, false
	case !want.Rule.Force:
		action.Reason, action.Owners = ForeignSecret, live.Owners
		return action, false
	default:
		action.Reason, action.Owners = TakenOver, live.Owners
	}
	return write(action, want, live, after), true
}

// decideVerifying decides on a copy while the registries are asked whether they take its credential: as if they did, but what
// would be written of the credential waits. Where there is no copy yet, accounts get its name meanwhile: a pod that starts
// before the copy heals by itself, and one that starts without the name does not.
func decideVerifying(want policy.Copy, there observedCopy, have Observed) (Action, bool) {
	want.State.Status = policy.SourceUsable
	action, referable := decideCopy(want, there, have)
	live := there.Secret
	switch {
	case action.Verb != Create && action.Verb != Update && action.Verb != Replace,
		action.Reason == MarksChanged && action.Verb == Update: // of the credential, it writes what is there
		return action, referable
	}
	kept := live != nil && (there.owner == cluster.Ours || adoptable(live))
	return Action{
		Verb: None, Kind: KindSecret, Name: action.Name, Rule: action.Rule, Source: action.Source, Reason: SourceVerifying,
		UID: action.UID, ResourceVersion: action.ResourceVersion, Kept: kept,
	}, live == nil || kept
}

// adoptable reports whether imagepullsecret-patcher or a fork of it made a secret, and no installation of ours since.
func adoptable(live *cluster.Secret) bool { return live.Ancestor && live.Marks.For == "" }

// decideOurs decides on a copy of ours that is wanted and whose source can be used.
func decideOurs(action Action, want policy.Copy, live *cluster.Secret, after cluster.Marks) Action {
	switch {
	case !live.SameContent(want.State.Source.Secret):
		action.Reason = SourceChanged
		if !live.Applied || len(live.Owners) > 0 {
			action.Reason, action.Restores, action.Owners = Drifted, true, live.Owners
		}
		return write(action, want, live, after)
	case sameMarks(live, after):
		action.Reason = InSync
		return action
	}
	action.Verb, action.Reason, action.Copy = Update, MarksChanged, newCopy(want, after)
	action.Restores = live.Marks.ManagedBy != after.ManagedBy
	if live.Immutable && live.Content != want.State.Source.Content {
		// The same meaning in other bytes: even these the API forbids to write.
		return write(action, want, live, after)
	}
	return action
}

// sameMarks reports whether a copy's marks need no write. What an earlier version wrote has all but one; it gets that
// with its next write, so that an upgrade by itself writes nothing. Only one that a backup brought back gets it at once:
// nothing but the ledger says that it is ours, and that may change.
func sameMarks(live *cluster.Secret, after cluster.Marks) bool {
	have := live.Marks
	if have.For == "" && live.Applied {
		have.For = after.For
	}
	return have == after
}

// decideDeleting decides on a secret that waits for its finalizers. Pods go on pulling with it, and the API permits to
// update it, so a copy of ours is kept right until it is gone. It cannot be replaced before, and what is somebody
// else's is not taken over on its way out.
func decideDeleting(action Action, want policy.Copy, there observedCopy, after cluster.Marks) (Action, bool) {
	live, source := there.Secret, want.State.Source.Secret
	ours := there.owner == cluster.Ours
	if ours {
		action = decideOurs(action, want, live, after)
	}
	switch {
	case ours && action.Verb == Update:
		return action, true
	case live.SameContent(source) && action.Verb == None:
		action.Reason = BeingDeleted
		return action, true
	}
	action.Verb, action.Reason, action.Copy = None, DeletionPending, nil
	action.Diff = newDiff(live, source, after, false)
	return action, ours
}

// write completes an action that writes a secret's content, with the diff where it is not our own that changes.
func write(action Action, want policy.Copy, live *cluster.Secret, after cluster.Marks) Action {
	source := want.State.Source.Secret
	explain := !live.SameContent(source) && action.Reason != SourceChanged
	action.Verb, action.Copy = Update, newCopy(want, after)
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

func newCopy(want policy.Copy, marks cluster.Marks) *Copy {
	source := want.State.Source
	return &Copy{Type: source.Type, Credential: source.Credential, Marks: marks}
}

// blame notes why a source cannot be used.
func (a *Action) blame(state policy.SourceState) {
	switch state.Status {
	case policy.SourceForbidden:
		a.Reason = SourceForbidden
	case policy.SourceIsCopy:
		a.Reason = SourceIsCopy
	case policy.SourceRefused:
		a.Reason, a.Cause = SourceRefused, state.Cause
	case policy.SourceInvalid:
		a.Reason, a.Defect, a.Cause = SourceInvalid, state.Source.Defect, state.Source.Cause
	default:
		a.Reason = SourceMissing
	}
}

func marks(want policy.Copy, have Observed) cluster.Marks {
	m := cluster.Marks{
		ManagedBy: cluster.FieldManager, Rule: want.Rule.Name, Source: want.Source.String(),
		For: have.Installation.For(have.Namespace.Name),
	}
	if !want.Rule.Prune {
		m.Prune = "false"
	}
	return m
}

// decideUnwanted decides on what there is under a copy's name where no rule asks for that copy. Of what is simply
// somebody else's there is nothing to say.
func decideUnwanted(name string, state CopyState, owner cluster.Ownership, home string, have Observed) (Action, bool) {
	action := Action{Verb: None, Kind: KindSecret, Name: name}
	switch {
	case state.Forbidden:
		action.Reason = forbiddenReason(state)
	case owner == cluster.Ours:
		return decideLeftover(state.Secret, have), true
	case owner == cluster.OtherInstallation:
		action.Reason, action.Home = OthersCopy, home
	case state.Secret != nil && state.Secret.HasMarks():
		action.Reason = MarksCopied
	default:
		return action, false
	}
	return action, true
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
	case have.awaited[live.Name]:
		action.Reason = ReplacementAwaited
	case have.HoldPrune:
		action.Reason = PruneHeld
	default:
		action.Verb, action.Reason, action.AfterAccounts = Delete, NotWanted, true
	}
	return action
}
