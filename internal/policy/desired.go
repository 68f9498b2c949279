package policy

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// SourceStatus says whether a source can be copied.
type SourceStatus string

// What is known of a source. Every status but SourceUsable keeps the copies that exist and makes no new ones.
const (
	SourceUsable    SourceStatus = "Usable"
	SourceMissing   SourceStatus = "Missing"   // there is no such secret
	SourceForbidden SourceStatus = "Forbidden" // we may not read it
	SourceInvalid   SourceStatus = "Invalid"   // its Defect says why
	SourceIsCopy    SourceStatus = "IsCopy"    // it is a copy of ours itself
	SourceVerifying SourceStatus = "Verifying" // its registries are being asked, and have not answered yet
	SourceRefused   SourceStatus = "Refused"   // a registry refuses the credential; Cause says which
)

// SourceState is a source as it was observed.
type SourceState struct {
	Status   SourceStatus
	Source   *cluster.Source // nil when Missing or Forbidden
	Cause    string          // with Refused: which registry refuses it and how, without anything of the credential
	Findings []Finding       // what is to be said of it besides, in order
}

// Finding is what is to be said of a source beside its status, whether it can be copied or not.
type Finding struct {
	Reason  string // one of plan's, such as SourceExpired
	Text    string // in words, without anything of the credential and without what changes with time alone
	Problem bool   // it degrades the policy
}

// NewSourceState judges what was observed under a source's name; nil is a secret that does not exist. A copy of the
// installation that asks is no source, because chains of copies could feed on themselves.
func NewSourceState(s *cluster.Source, by cluster.Installation) SourceState {
	if s == nil {
		return SourceState{Status: SourceMissing}
	}
	switch owner, _ := by.Owns(s.Secret, true); {
	case owner == cluster.Ours:
		return SourceState{Status: SourceIsCopy, Source: s}
	case s.Defect != "":
		return SourceState{Status: SourceInvalid, Source: s}
	}
	return SourceState{Status: SourceUsable, Source: s}
}

// Inputs is everything that a Policy may look at.
type Inputs struct {
	Namespace *cluster.Namespace
	Accounts  []*cluster.ServiceAccount
	// Sources has every source of the policy.
	Sources map[types.NamespacedName]SourceState
	// Attached says who gives the names of a rule with AttachPods to pods at present. Nil: the API server does.
	Attached func(*Rule) Attached
}

// Attached is who gives the names of a rule with AttachPods to pods.
type Attached int

// ToPods: the API server adds them. ToAccounts: service accounts have them, because the API server cannot or does not yet.
// Undecided: which of the two is not known, so accounts keep what they have.
const (
	ToPods Attached = iota
	ToAccounts
	Undecided
)

// Desired is what should exist in one namespace.
type Desired struct {
	Copies    []Copy // in policy order, one per name
	Accounts  []Account
	Conflicts []Conflict
	// Protected are the secrets of this namespace that are the source of a rule: never written, never deleted.
	// The map belongs to the Policy.
	Protected map[string]bool

	granted []grant
}

// Copy is a copy that should exist.
type Copy struct {
	Name   string
	Rule   *Rule // the first that wants it: it decides source, force, prune and mark
	Source types.NamespacedName
	State  SourceState
}

// Account is what a service account should reference.
type Account struct {
	*cluster.ServiceAccount
	Names  []Name // in policy order
	ByPods []Name // that the API server adds to its pods, so that its list need not have them
}

// Name is a pull secret's name in a service account's list.
type Name struct {
	Name string
	Rule *Rule // the rule that brought it
	Keep bool  // an account that has it keeps it, and one that lacks it does not get it
}

// Conflict is a rule that wants a copy which an earlier rule makes from another source. It adds nothing.
type Conflict struct {
	Rule, Winner *Rule
	Name         string
}

// Meant reports whether the policy says that the winner is to win.
func (c Conflict) Meant() bool { return c.Winner.Override }

// Desired says what should exist in one namespace.
func (p *Policy) Desired(in Inputs) Desired {
	d := Desired{Accounts: make([]Account, 0, len(in.Accounts)), Protected: p.sources[in.Namespace.Name]}
	d.granted = p.copies(&d, in)
	for _, sa := range in.Accounts {
		account := Account{ServiceAccount: sa}
		if !sa.Excluded {
			account.Names = names(d.granted, sa)
			account.ByPods = d.podNames(sa.Name, true)
		}
		d.Accounts = append(d.Accounts, account)
	}
	return d
}

// PodNames are the names that the API server adds to a new pod that runs under the service account of this name, in policy
// order. They do not depend on the account's annotations: those cannot be seen there.
func (d Desired) PodNames(account string) []Name { return d.podNames(account, false) }

// podNames leaves out, if attached is true, what the API server is not known to add.
func (d Desired) podNames(account string, attached bool) (out []Name) {
	for _, g := range d.granted {
		if g.rule.Attach == AttachPods && (!attached || g.attached == ToPods) && g.rule.ServiceAccounts.named(account) {
			out = g.into(out, false)
		}
	}
	return out
}

// grant is a rule that matches the namespace, with the names that its accounts get.
type grant struct {
	rule     *Rule
	names    []string
	attached Attached // ToAccounts where the rule attaches to accounts
}

// into adds the names that are not there yet. One that is to be given goes before one that is only kept.
func (g grant) into(out []Name, keep bool) []Name {
	for _, name := range g.names {
		i := slices.IndexFunc(out, func(n Name) bool { return n.Name == name })
		switch {
		case i < 0:
			out = append(out, Name{Name: name, Rule: g.rule, Keep: keep})
		case out[i].Keep && !keep:
			out[i] = Name{Name: name, Rule: g.rule}
		}
	}
	return out
}

func (p *Policy) copies(d *Desired, in Inputs) []grant {
	if in.Namespace.Excluded {
		return nil
	}
	var grants []grant
	at := map[string]int{}
	for _, rule := range p.Rules {
		if !rule.Namespaces.Matches(in.Namespace.Name, in.Namespace.Labels) {
			continue
		}
		g := grant{rule: rule, names: make([]string, 0, len(rule.Secrets)), attached: in.attached(rule)}
		for _, s := range rule.Secrets {
			i, taken := at[s.Name]
			switch {
			case !taken:
				at[s.Name] = len(d.Copies)
				d.Copies = append(d.Copies, Copy{Name: s.Name, Rule: rule, Source: s.Source, State: in.Sources[s.Source]})
			case d.Copies[i].Source != s.Source:
				d.Conflicts = append(d.Conflicts, Conflict{Rule: rule, Winner: d.Copies[i].Rule, Name: s.Name})
				continue
			}
			g.names = append(g.names, s.Name)
		}
		grants = append(grants, g)
	}
	return grants
}

// attached says who gives the names of a rule to pods.
func (in Inputs) attached(rule *Rule) Attached {
	switch {
	case rule.Attach != AttachPods:
		return ToAccounts
	case in.Attached == nil:
		return ToPods
	}
	return in.Attached(rule)
}

// names are those that rules give to a service account, and those that it is to keep.
func names(granted []grant, sa *cluster.ServiceAccount) (out []Name) {
	for _, g := range granted {
		if g.attached != ToPods && g.rule.ServiceAccounts.Matches(sa.Name, sa.Labels) {
			out = g.into(out, g.attached == Undecided)
		}
	}
	return out
}

// Rules are those that select the namespace, in policy order.
func (d Desired) Rules() (out []*Rule) {
	for _, g := range d.granted {
		out = append(out, g.rule)
	}
	return out
}
