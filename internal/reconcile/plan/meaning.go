package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// Meaning is what a reason means. Status, log, Events, `plan` and `explain` say it, and docs/reasons.md is made of it. In
// its texts NAME stands for the object's name, HOME for another installation's namespace, WINNER for the rule that decides a copy.
type Meaning struct {
	Reason Reason
	Says   string // what is so
	Do     string // what to do about it, which is said with it
	Advice string // what to do about it, where that is said in docs/reasons.md alone
	Scope  Scope  // of a problem
}

// Scope says whose trouble a problem is. It goes with the reason, and the lists of problems are where it is decided: here, and in
// the packages report and admission.
type Scope string

// The scopes. One problem of the policy degrades it. Problems of namespaces are counted, because a tenant's trouble is not the
// platform's: they degrade the policy where more namespaces have any than -max-failing allows.
const (
	ScopePolicy    Scope = "policy"
	ScopeNamespace Scope = "namespace"
)

// CopyWrites are the reasons to write a copy.
var CopyWrites = []Meaning{
	{Reason: Missing, Says: "there is no copy yet"},
	{Reason: SourceChanged, Says: "the copy is ours, and its source holds another credential by now"},
	{Reason: Drifted, Says: "the copy is ours, and somebody else changed it; the log has a diff without credentials"},
	{Reason: MarksChanged, Says: "the copy is ours and has the right content, but not the labels or annotations that a copy has"},
	{Reason: TypeChanged, Says: "the copy has to get another type, which the API server forbids in place, so it is deleted and made anew"},
	{Reason: Immutable, Says: "the copy has to get other content, which its `immutable: true` forbids in place, so it is deleted and made anew"},
	{Reason: TakenOver, Says: "the secret is somebody else's and has other content, and the rule says `force: true`; the log has a diff without credentials"},
	{Reason: Adopted, Says: "imagepullsecret-patcher made the copy; it is ours from now on"},
	{Reason: NotWanted, Says: "the copy is ours, and no rule asks for it any more"},
}

// AccountWrites are the reasons to write a service account.
var AccountWrites = []Meaning{
	{Reason: NamesMissing, Says: "the list of the service account lacks names that rules give it"},
	{Reason: NamesNotWanted, Says: "the list has names that we added and no rule asks for any more"},
	{Reason: NamesMoved, Says: "the list has names that the API server adds to pods by now (`attach: pods`), so it need not have them"},
	{Reason: NamesChanged, Says: "names are added to the list, and others removed"},
	{Reason: NamesAdopted, Says: "names in the list count as added by us from now on: those of a copy that is adopted"},
	{Reason: LedgerStale, Says: "the list is right, but the annotation `pullsecrets/added`, our record of what we added, is not"},
	{Reason: NothingOfOurs, Says: "nothing of ours is left in the list, so it is given back to its owners"},
	{Reason: NamesPromised, Says: "others use the list too, and the API server itself keeps our names in it (`-admission`), so the list need not be ours and is given back"},
}

// Fine are the reasons to do nothing, because all is well.
var Fine = []Meaning{
	{Reason: InSync, Says: "it is as it should be"},
	{Reason: EqualForeign, Says: "somebody else's, with the same credentials: it is referenced and left alone"},
	{Reason: OwnSource, Says: "it is the source itself"},
	{Reason: BeingDeleted, Says: "it is being deleted, and waits for its finalizers; what follows is decided when it is gone"},
	{Reason: PruneOff, Says: "no rule asks for it any more, and its rule said that it stays (prune: false)"},
	{Reason: OthersCopy, Says: "no rule asks for it; the installation of pullsecrets in namespace HOME made it, or may have, where its marks are gone: it is left alone"},
	{Reason: Overridden, Says: "rule WINNER, which stands before this one, makes the copy of this name here from another source, and says `override: true`: that is meant, and this rule adds nothing"},
	{Reason: SourceVerifying, Says: "the copy is to be written, and waits until the registries were asked whether they take the credential (`verify: true`); that takes a minute at most"},
	{Reason: ReplacementAwaited, Says: "no rule asks for it any more; it stays until the copy is there that its rule or source has in its place, whose registries are still asked or refuse the credential"},
	{Reason: MarksCopied, Says: "no rule asks for it; it has the marks of a copy, but was not made for this namespace: somebody copied or restored it, and it is left alone"},
}

// Problems are the reasons to do nothing although something is asked for, and what is wrong with a source that is copied
// all the same. Somebody should look at these.
var Problems = []Meaning{
	{
		Reason: ForeignSecret,
		Scope:  ScopeNamespace,
		Says:   "a secret of this name exists that is not ours and has other content; it is left alone, and its name is not added to service accounts",
		Do:     "rename the copies, remove it, or set force: true",
	}, {
		Reason: OtherInstallation,
		Scope:  ScopeNamespace,
		Says:   "the installation of pullsecrets in namespace HOME keeps this; it is left alone, and nothing is added",
		Do:     "exclude the namespace in one of the two policies, or remove what that one distributed with `pullsecrets purge -namespace HOME`",
	}, {
		Reason: RuleConflict,
		Scope:  ScopePolicy,
		Says:   "an earlier rule makes a copy of this name from another source; this rule adds nothing",
		Do:     "give the copies different names, or set override: true on the earlier rule if it is meant to win",
	}, {
		Reason: SourceMissing,
		Scope:  ScopePolicy,
		Says:   "the source secret does not exist; copies that exist are kept",
		Advice: "create it, or correct its name or namespace in the rule; a source without a namespace is looked for in the controller's own",
	}, {
		Reason: SourceForbidden,
		Scope:  ScopePolicy,
		Says:   "the source secret may not be listed and watched; copies that exist are kept",
		Do:     "apply the roles that `pullsecrets rbac -f POLICY` prints",
	}, {
		Reason: SourceInvalid,
		Scope:  ScopePolicy,
		Says:   "the source secret holds no registry credentials; copies that exist are kept",
		Advice: "mend the source as its defect says, which stands behind the message; `pullsecrets validate -f FILE` finds it before it is applied",
	}, {
		Reason: SourceIsCopy,
		Scope:  ScopePolicy,
		Says:   "the source secret is itself a copy made by pullsecrets; copies that exist are kept",
		Advice: "name the secret that it was copied from as the source, or make the source anew without the label and the annotations of a copy",
	}, {
		Reason: SourceRefused,
		Scope:  ScopePolicy,
		Says:   "a registry refuses the credential of the source (`verify: true`); copies that exist are kept as they are, and no new ones are made",
		Advice: "put a credential into the source that the registry takes; it is asked again as soon as the source changes, and every hour. The message says which registry it was and what it answered",
	}, {
		Reason: OtherSource,
		Scope:  ScopePolicy,
		Says:   "the copy would overwrite a secret that is the source of a rule; it is left alone",
		Advice: "give the copies another name, or exclude the source's namespace from the rule",
	}, {
		Reason: CopyForbidden,
		Scope:  ScopePolicy,
		Says:   "secrets of this name may not be listed and watched; nothing is added or removed",
		Do:     "apply the roles that `pullsecrets rbac -f POLICY` prints",
	}, {
		Reason: LeftForbidden,
		Scope:  ScopePolicy,
		Says:   "no rule asks for copies of this name any more, but they may not be listed and watched; references to them are removed, copies may be left",
		Do:     "apply the roles that `pullsecrets rbac -f POLICY -also NAME` prints (-from-status finds the names by itself)",
	}, {
		Reason: AccountsUnknown,
		Scope:  ScopePolicy,
		Says:   "service accounts may not be listed and watched; the copy stays until its references can be removed",
		Advice: "apply the roles that `pullsecrets rbac -f POLICY` prints",
	}, {
		Reason: PruneHeld,
		Scope:  ScopePolicy,
		Says:   "no rule asks for this any more, but too much would be removed at once (-max-prune), so it is held back",
		Do:     "to remove it, annotate the policy ConfigMap with pullsecrets/confirm-prune set to the value of pullsecrets/observed",
	}, {
		Reason: OtherData,
		Scope:  ScopeNamespace,
		Says:   "no rule asks for this copy any more, but it holds data under other keys; it is left for its owner to delete",
		Advice: "delete it when nobody needs the other keys, or take them out: then the controller deletes it",
	}, {
		Reason: DeletionPending,
		Scope:  ScopeNamespace,
		Says:   "a secret of this name is being deleted and waits for its finalizers, with other content than the rule asks for; the copy is made when it is gone",
		Do:     "see its metadata.finalizers",
	}, {
		Reason: SourceExpired,
		Scope:  ScopePolicy,
		Says:   "a credential in the source has ended, as it says itself or the source's annotation `pullsecrets/expires` does, so a registry will refuse it; copies are made and updated all the same",
		Do:     "put a new one into the source",
	},
}

// Warnings are the reasons to warn of a source. They do not degrade the policy; what they say is made where they come up.
var Warnings = []Meaning{
	{
		Reason: SourceExpiring,
		Says:   "a credential in the source ends soon: within `-expiry-warning`, and in the last third of its life where it is known how long that is",
		Do:     "put a new one into the source before that",
	}, {
		Reason: ExpiryUnreadable,
		Says:   "the source's annotation `pullsecrets/expires` is no time of RFC 3339 between 2001 and 9999, so it does not count",
		Do:     "write it as 2027-01-31T00:00:00Z",
	}, {
		Reason: SourceDoubtful,
		Says:   "the kubelet accepts the source, but pulls will probably fail on something in it; the message says on what, without any value",
		Advice: "mend the source as the message says; copies are made and updated all the same",
	}, {
		Reason: SourceUnverified,
		Says:   "the registries of the source were asked (`verify: true`), and not all of them said that they take its credential; it is copied all the same, because that is no refusal",
		Advice: "see why a registry does not answer: the controller needs a way to it ([asking the registry first](policy.md#asking-the-registry-first)). Where there is nobody to ask, as for a host with a wildcard, leave `verify` out",
	},
}

var (
	meanings = byReason(CopyWrites, AccountWrites, Fine, Problems, Warnings)
	problems = byReason(Problems)
)

func byReason(lists ...[]Meaning) map[Reason]Meaning {
	m := map[Reason]Meaning{}
	for _, one := range slices.Concat(lists...) {
		m[one.Reason] = one
	}
	return m
}

// Meaning returns what a reason means.
func (r Reason) Meaning() Meaning { return meanings[r] }

// Problem reports whether somebody should look at it.
func (r Reason) Problem() bool {
	_, ok := problems[r]
	return ok
}

// Explain says in words what a problem is and what to do about it; empty for any other reason. It has NAME, HOME and
// WINNER for what is not known of the object.
func (r Reason) Explain() string { return problems[r].text() }

func (m Meaning) text() string {
	if m.Do == "" {
		return m.Says
	}
	return m.Says + ": " + m.Do
}

// Explain says in words what a problem is and what to do about it, about this very object; empty for any other reason.
func (a Action) Explain() string {
	if !a.Reason.Problem() {
		return ""
	}
	return a.Describe()
}

// Describe says in words what the reason of an action means, about this very object.
func (a Action) Describe() string {
	if a.Cause != "" {
		return "the source secret cannot be used: " + a.Cause + "; copies that exist are kept"
	}
	text := strings.NewReplacer("NAME", a.Name, "HOME", a.Home, "WINNER", a.Winner).Replace(a.Reason.Meaning().text())
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
