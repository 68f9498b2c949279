package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// Reason says why an action is taken, or why none is. The set is closed.
type Reason string

// Reasons to write a copy.
const (
	Missing       Reason = "Missing"       // there is none yet
	SourceChanged Reason = "SourceChanged" // ours, and the source has other credentials now
	Drifted       Reason = "Drifted"       // ours, and somebody else changed it
	MarksChanged  Reason = "MarksChanged"  // ours, with the right content but not the right labels or annotations
	TypeChanged   Reason = "TypeChanged"   // the type has to change, which the API forbids in place
	Immutable     Reason = "Immutable"     // its data has to change, which immutable: true forbids in place
	TakenOver     Reason = "TakenOver"     // somebody else's, and the rule says force
	Adopted       Reason = "Adopted"       // imagepullsecret-patcher made it
	NotWanted     Reason = "NotWanted"     // ours, and no rule asks for it any more
)

// Reasons to write a service account.
const (
	NamesMissing   Reason = "NamesMissing"   // its list lacks names
	NamesNotWanted Reason = "NamesNotWanted" // its list has names of ours that no rule asks for
	NamesChanged   Reason = "NamesChanged"   // both
	NamesAdopted   Reason = "NamesAdopted"   // its list has names that are ours from now on: see Adopted, and prune: false turned on again
	LedgerStale    Reason = "LedgerStale"    // the list is right, our record of what we added is not
	NothingOfOurs  Reason = "NothingOfOurs"  // nothing of ours is left: the list is given back to its owners
	NamesPromised  Reason = "NamesPromised"  // others use the list too, and the API server itself keeps our names in it: it need not be ours
)

// Reasons to do nothing, because all is well.
const (
	InSync       Reason = "InSync"
	EqualForeign Reason = "EqualForeign" // somebody else's, with equal content: referenced, not adopted
	OwnSource    Reason = "OwnSource"    // the copy would be its own source
	BeingDeleted Reason = "BeingDeleted" // it waits for its finalizers, with the right content; what follows is decided when it is gone
	PruneOff     Reason = "PruneOff"     // no rule asks for it any more, and its rule said that it stays
	OthersCopy   Reason = "OthersCopy"   // no rule asks for it; another installation made it
	MarksCopied  Reason = "MarksCopied"  // no rule asks for it; it has a copy's marks, but was not made for this namespace
)

// Reasons to do nothing although something is asked for; see Reason.Problem.
const (
	ForeignSecret Reason = "ForeignSecret" // somebody else's, with other content, and the rule does not say force
	// OtherInstallation is a copy that another installation made, or an account whose ledger it keeps.
	OtherInstallation Reason = "OtherInstallation"
	RuleConflict      Reason = "RuleConflict"    // an earlier rule makes a copy of this name from another source
	SourceMissing     Reason = "SourceMissing"   // what exists is kept
	SourceForbidden   Reason = "SourceForbidden" // what exists is kept
	SourceInvalid     Reason = "SourceInvalid"   // what exists is kept
	SourceIsCopy      Reason = "SourceIsCopy"    // what exists is kept
	OtherSource       Reason = "OtherSource"     // the copy would overwrite the source of a rule
	CopyForbidden     Reason = "CopyForbidden"   // we may not read secrets of this name
	LeftForbidden     Reason = "LeftForbidden"   // the same, and no rule asks for this name any more
	AccountsUnknown   Reason = "AccountsUnknown" // we may not read service accounts, and the reference must go first
	PruneHeld         Reason = "PruneHeld"       // too much would be removed at once
	OtherData         Reason = "OtherData"       // ours and not wanted, but somebody else keeps data in it
	DeletionPending   Reason = "DeletionPending" // it waits for its finalizers, and until it is gone no copy can be made
)

// Problem reports whether somebody should look at it.
func (r Reason) Problem() bool { return r.Explain() != "" }

// Explain says in words what a problem is and what to do about it, about this very object.
func (a Action) Explain() string {
	if a.Cause != "" {
		return "the source secret cannot be used: " + a.Cause + "; copies that exist are kept"
	}
	text := strings.NewReplacer("NAME", a.Name, "HOME", a.Home).Replace(a.Reason.Explain())
	if a.Reason == ForeignSecret && len(a.Owners) > 0 {
		text += "; its content is of field manager " + strings.Join(managers(a.Owners), ", ")
	}
	return text
}

// managers names field managers, each once, without times: they would make a new text of every write.
func managers(owners []cluster.Owner) (names []string) {
	for _, o := range owners {
		if name := strconv.Quote(o.Manager); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Explain says in words what a problem is and what to do about it; empty for any other reason. NAME stands for the
// object's name, HOME for another installation's namespace.
func (r Reason) Explain() string {
	switch r {
	case ForeignSecret:
		return "a secret of this name exists that is not ours and has other content; it is left alone, and its name is not added to service accounts: rename the copies, remove it, or set force: true"
	case OtherInstallation:
		return "the installation of pullsecrets in namespace HOME keeps this; it is left alone, and nothing is added: exclude the namespace in one of the two policies, or remove what that one distributed with `pullsecrets purge -namespace HOME`"
	case RuleConflict:
		return "an earlier rule makes a copy of this name from another source; this rule adds nothing: give the copies different names"
	case SourceMissing:
		return "the source secret does not exist; copies that exist are kept"
	case SourceForbidden:
		return "the source secret may not be listed and watched; copies that exist are kept: apply the roles that `pullsecrets rbac -f POLICY` prints"
	case SourceInvalid:
		return "the source secret holds no registry credentials; copies that exist are kept"
	case SourceIsCopy:
		return "the source secret is itself a copy made by pullsecrets; copies that exist are kept"
	case OtherSource:
		return "the copy would overwrite a secret that is the source of a rule; it is left alone"
	case CopyForbidden:
		return "secrets of this name may not be listed and watched; nothing is added or removed: apply the roles that `pullsecrets rbac -f POLICY` prints"
	case LeftForbidden:
		return "no rule asks for copies of this name any more, but they may not be listed and watched; references to them are removed, copies may be left: apply the roles that `pullsecrets rbac -f POLICY -also NAME` prints (-from-status finds the names by itself)"
	case AccountsUnknown:
		return "service accounts may not be listed and watched; the copy stays until its references can be removed"
	case PruneHeld:
		return "no rule asks for this any more, but too much would be removed at once (-max-prune), so it is held back; to remove it, annotate the policy ConfigMap with pullsecrets/confirm-prune set to the value of pullsecrets/observed"
	case OtherData:
		return "no rule asks for this copy any more, but it holds data under other keys; it is left for its owner to delete"
	case DeletionPending:
		return "a secret of this name is being deleted and waits for its finalizers, with other content than the rule asks for; the copy is made when it is gone: see its metadata.finalizers"
	}
	return ""
}
