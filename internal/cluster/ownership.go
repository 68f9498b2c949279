package cluster

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// Installation is one controller among those of a cluster. Copies and ledgers name it by the namespace that it lives in.
type Installation struct {
	Home    string
	Sources []string // other namespaces that its sources may be in
}

// Ownership says whose a secret is.
type Ownership int

// The owners. In doubt a secret is foreign.
const (
	Foreign           Ownership = iota // somebody else's, whatever marks it carries
	Ours                               // a copy that this installation made, or took over, for this namespace
	OtherInstallation                  // a copy that another installation made for this namespace
)

// For is the mark of a copy that the installation makes for a namespace. A copy that is copied into another namespace
// names the wrong one, and so makes nothing ours there.
func (i Installation) For(namespace string) string { return i.Home + "/" + namespace }

// Owns says whose a secret is, and for OtherInstallation the home of that one. It and OwnsUnwanted are the only places that decide
// this.
// vouched says that a ledger in the secret's namespace vouches for its name, see Vouches.
//
// Earlier versions wrote no AnnotationFor. Such a copy is ours where managedFields say so; where a backup lost those,
// a ledger has to say so, because its other marks are the same on every copy of it that somebody made.
func (i Installation) Owns(s *Secret, vouched bool) (owner Ownership, home string) {
	if s == nil {
		return Foreign, ""
	}
	if s.Marks.For != "" {
		home, namespace, _ := strings.Cut(s.Marks.For, "/")
		switch {
		case home == "" || namespace != s.Namespace:
			return Foreign, ""
		case home != i.Home:
			return OtherInstallation, home
		}
		return Ours, ""
	}
	if !s.OwnsData && !(s.marked() && (s.Applied || vouched)) {
		return Foreign, ""
	}
	if home, _, ok := strings.Cut(s.Marks.Source, "/"); ok && home != i.Home && !slices.Contains(i.Sources, home) {
		return OtherInstallation, home
	}
	return Ours, ""
}

// OwnsUnwanted is Owns for a secret that no rule asks for, which would be removed. keeper is the home of another installation that it
// may be of, see Keeper, and is only asked where nothing else tells: where somebody took AnnotationFor off a copy, managedFields do
// not say which installation made it, and its source may be in a namespace that both have sources in. That one may be unable to
// put the mark back.
func (i Installation) OwnsUnwanted(s *Secret, vouched bool, keeper func() string) (owner Ownership, home string) {
	owner, home = i.Owns(s, vouched)
	if owner == Ours && s.Marks.For == "" {
		if other := keeper(); other != "" {
			return OtherInstallation, other
		}
	}
	return owner, home
}

// marked reports whether a secret has the marks that earlier versions gave a copy.
func (s *Secret) marked() bool { return s.Marks.ManagedBy == FieldManager && s.Marks.Source != "" }

// HasMarks reports whether a secret looks like a copy of some installation, for some namespace.
func (s *Secret) HasMarks() bool { return s.Marks.For != "" || s.marked() }

// Ledger is a service account's record of the names that an installation added to its list.
type Ledger struct {
	Home, Namespace string // both empty as earlier versions wrote it
	Names           []string
}

// ParseLedger reads the value of AnnotationAdded, "HOME/NAMESPACE: a,b" or "a,b". People edit annotations, so empty and
// repeated names and spaces are passed over, and what names neither an installation nor a namespace has no names.
func ParseLedger(text string) (l Ledger) {
	names := text
	if of, rest, ok := strings.Cut(text, ":"); ok {
		l.Home, l.Namespace, _ = strings.Cut(strings.TrimSpace(of), "/")
		if l.Home == "" || l.Namespace == "" {
			return Ledger{}
		}
		names = rest
	}
	for name := range strings.SplitSeq(names, ",") {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(l.Names, name) {
			l.Names = append(l.Names, name)
		}
	}
	return l
}

// Ledger is the value of AnnotationAdded for names that the installation added to an account of a namespace.
func (i Installation) Ledger(namespace string, names []string) string {
	return strings.TrimSpace(i.For(namespace) + ": " + strings.Join(names, ","))
}

// Vouches reports whether an account's ledger says that a secret of this name was a copy of an earlier version: it is in
// the form of that version, as a backup brings it back with the copy. A ledger that was written since does not, because
// it also has names whose secret is somebody else's and equal.
func (l Ledger) Vouches(name string) bool { return l.Home == "" && slices.Contains(l.Names, name) }

// Noted returns the names that the installation added to an account in a namespace. Where another installation keeps
// the account's ledger, it returns none, and the home of that one.
//
// A ledger that names another namespace came with a copy of the account, and says nothing here.
func (i Installation) Noted(namespace string, l Ledger) (names []string, other string) {
	switch {
	case l.Home == "" || l.Home == i.Home && l.Namespace == namespace:
		return l.Names, ""
	case l.Namespace == namespace:
		return nil, l.Home
	}
	return nil, ""
}

// Keeper returns the home of another installation that a secret in a namespace may be of, if it has no AnnotationFor: one whose ledger
// there has the secret's name. Where nobody's ledger has it, as without service accounts, it is one that serves the namespace at
// all, by a ledger or by the marks of another secret. Empty for none.
func (i Installation) Keeper(namespace, name string, ledgers []Ledger, secrets iter.Seq[*Secret]) string {
	serve := map[string]bool{}
	ours := false
	for _, l := range ledgers {
		noted, other := i.Noted(namespace, l)
		switch {
		case other != "" && slices.Contains(l.Names, name):
			return other
		case other != "":
			serve[other] = true
		case slices.Contains(noted, name):
			ours = true
		}
	}
	if ours {
		return ""
	}
	for s := range secrets {
		if owner, home := i.Owns(s, true); owner == OtherInstallation {
			serve[home] = true
		}
	}
	if homes := slices.Sorted(maps.Keys(serve)); len(homes) > 0 {
		return homes[0]
	}
	return ""
}

// NotedOn returns the names that the installation added to an account.
func (i Installation) NotedOn(sa *ServiceAccount) []string {
	names, _ := i.Noted(sa.Namespace, ParseLedger(sa.Ledger))
	return names
}
