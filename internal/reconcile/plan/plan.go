package plan

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// Verb is what an action does. The zero value is invalid.
type Verb string

// The verbs, in the order in which they are executed within a namespace.
const (
	SetList Verb = "set-list" // write a service account's list and ledger
	Release Verb = "release"  // give up our ownership of a service account's list, or of a copy, which stays as it is
	Create  Verb = "create"   // apply a copy that does not exist
	Update  Verb = "update"   // apply a copy in place
	Replace Verb = "replace"  // delete and create, where the API forbids an update
	Delete  Verb = "delete"
	None    Verb = "none"
)

// Kind is the kind of object that an action is about.
type Kind string

// The kinds.
const (
	KindSecret         Kind = "Secret"
	KindServiceAccount Kind = "ServiceAccount"
)

// Plan is what to do in one namespace.
type Plan struct {
	Namespace string
	Actions   []Action // in the order of execution
	There     Count    // what there is of ours, of which the actions may remove some or all
	// Untracked are names that ledgers of ours have, and whose copies nobody looked for. They stay until somebody did.
	Untracked []string
	// Rules are those that select the namespace, in the policy's order.
	Rules []RuleReach
}

// Count counts copies, and references to copies in the lists of service accounts.
type Count struct{ Copies, References int }

// Plus adds two counts.
func (c Count) Plus(o Count) Count { return Count{c.Copies + o.Copies, c.References + o.References} }

// Minus takes a count from another; nothing becomes less than none.
func (c Count) Minus(o Count) Count {
	return Count{max(0, c.Copies-o.Copies), max(0, c.References-o.References)}
}

// Removed counts what the plan removes of what is there. A name that pods get all the same is not lost.
func (p Plan) Removed() (n Count) {
	for _, a := range p.Actions {
		switch {
		case a.Verb == Delete:
			n.Copies++
		case a.List != nil:
			n.References += len(a.List.Removed) - a.List.Moved
		}
	}
	return n
}

func (p *Plan) count(ours bool) {
	if ours {
		p.There.Copies++
	}
}

// Action is one decision about one object. It holds no credential that prints.
type Action struct {
	Verb   Verb
	Kind   Kind
	Name   string
	Rule   string // empty where no rule asks for the object
	Source types.NamespacedName
	Reason Reason
	Defect cluster.Defect // with SourceInvalid
	Home   string         // with OtherInstallation and OthersCopy: where that installation lives
	Winner string         // with RuleConflict and Overridden: the rule that decides the copy
	Cause  string         // of SourceInvalid and SourceRefused, in words and without any value

	// The live object that was decided on; both empty for Create. They are preconditions of the write.
	UID             types.UID
	ResourceVersion string

	Copy   *Copy // with Create, Update and Replace
	List   *List // with SetList
	Serves bool  // a ServiceAccount that a rule gives names to
	Kept   bool  // a copy of ours whose source cannot be used, or not yet: it stays, and accounts get its name as before

	// AfterAccounts says that the write must wait until all service accounts of the namespace were written: a copy
	// that goes must not be named any more, and one that is adopted no longer tells who added its name.
	AfterAccounts bool
	// Restores says that the write puts back what somebody else undid; Owners are the others that own the field.
	Restores bool
	Owners   []cluster.Owner
	Diff     Diff // with TakenOver and Drifted, and where those lead to Replace
}

// Waits reports whether something is not written yet, because registries are asked before.
func (p Plan) Waits() bool {
	return slices.ContainsFunc(p.Actions, func(a Action) bool { return a.Reason == SourceVerifying })
}

// Selected reports whether any rule selects the namespace. Each rule wants a copy at least.
func (p Plan) Selected() bool {
	return slices.ContainsFunc(p.Actions, func(a Action) bool { return a.Kind == KindSecret && a.Rule != "" })
}

// IsThere reports whether a copy that the action's rule makes is there already when it is decided on. In doubt it is not.
func (a Action) IsThere() bool {
	switch {
	case a.Yields():
		return false // another rule's may be
	case a.Verb == Update:
		return true
	case a.Verb == None:
		return a.Kept || !a.Reason.Problem() && a.Reason != SourceVerifying
	}
	return false
}

// Yields reports whether it is about a rule that wants a copy which an earlier rule makes from another source. What happens to
// that copy is another action.
func (a Action) Yields() bool { return a.Reason == RuleConflict || a.Reason == Overridden }

// Blocked reports whether a rule wants a copy that is known not to come, because somebody else's secret is in its place.
func (a Action) Blocked() bool {
	return a.Kind == KindSecret && (a.Reason == ForeignSecret || a.Reason == OtherInstallation)
}

// Copy is the content of a copy. With Release it has the type alone.
type Copy struct {
	Type       string
	Credential cluster.Credential
	Marks      cluster.Marks
}

// List is what a service account's list becomes.
type List struct {
	Names          []string // the whole list; an entry without a name is ""
	Ledger         []string
	Added, Removed []string
	Moved          int  // of the removed, those that the API server gives to pods now: nobody loses them
	Unnamed        bool // the ledger goes on naming no installation, as an earlier version wrote it
	Release        bool // it is given up after that: see NothingOfOurs and NamesPromised
}

// Find returns the action about an object; the zero Action if there is none.
func (p Plan) Find(kind Kind, name string) Action {
	for _, a := range p.Actions {
		if a.Kind == kind && a.Name == name && !a.Yields() {
			return a
		}
	}
	return Action{}
}

// HasChanges reports whether anything is to be written.
func (p Plan) HasChanges() bool {
	return slices.ContainsFunc(p.Actions, func(a Action) bool { return a.Verb != None })
}

// String prints the plan, an action a line, diffs below.
func (p Plan) String() string {
	var b strings.Builder
	for _, a := range p.Actions {
		fmt.Fprintf(&b, "%-8s %s %s/%s: %s", a.Verb, a.Kind, p.Namespace, a.Name, a.Reason)
		if a.Defect != "" {
			fmt.Fprintf(&b, " (%s)", a.Defect)
		}
		if a.Rule != "" {
			fmt.Fprintf(&b, ", rule %s", a.Rule)
		}
		if a.Reason == Overridden {
			fmt.Fprintf(&b, " under %s", a.Winner)
		}
		if a.Source.Name != "" {
			fmt.Fprintf(&b, ", from %s", a.Source)
		}
		if l := a.List; l != nil {
			fmt.Fprintf(&b, ", +[%s] -[%s] = [%s], ledger [%s]", strings.Join(l.Added, " "), strings.Join(l.Removed, " "),
				strings.Join(l.Names, " "), strings.Join(l.Ledger, " "))
			if l.Release {
				b.WriteString(", release")
			}
		}
		b.WriteByte('\n')
		for _, line := range a.Diff {
			fmt.Fprintf(&b, "           %s\n", line)
		}
	}
	return b.String()
}
