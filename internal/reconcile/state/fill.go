package state

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

// Filling are stores that a test fills, in place of informers.
type Filling struct {
	Namespaces, Accounts       *watch.Objects
	Policy, Status, Parameters *watch.Objects            // of ConfigMaps, and of admission parameters
	Copies                     map[string]*watch.Objects // by name; there is nothing under any other name
	Source                     func(types.NamespacedName) policy.SourceState

	Forbidden func(kube.Target) bool // may not be listed; nil if all may be
}

// NewFilling returns empty stores for these copy names.
func NewFilling(names []string, source func(types.NamespacedName) policy.SourceState) Filling {
	f := Filling{
		Namespaces: watch.NewObjects(), Accounts: watch.NewObjects(),
		Policy: watch.NewObjects(), Status: watch.NewObjects(),
		Parameters: watch.NewObjects(),
		Copies:     map[string]*watch.Objects{}, Source: source,
	}
	for _, name := range names {
		f.Copies[name] = watch.NewObjects()
	}
	return f
}

// Fill has a Cluster that was not started show what is in the stores, of the copy names that it follows now or later. It is for
// tests, which call it again when something else is forbidden than before.
func (c *Cluster) Fill(f Filling) {
	for _, one := range []struct {
		informer **watch.Informer
		store    *watch.Objects
	}{
		{&c.namespaces, f.Namespaces}, {&c.accounts, f.Accounts}, {&c.status, f.Status}, {&c.policy, f.Policy}, {&c.parameters, f.Parameters},
	} {
		if *one.informer != nil {
			*one.informer = f.informer((*one.informer).Target, one.store)
		}
	}
	n := &c.named
	n.add = func(spec watch.Spec) *watch.Informer { return f.named(spec.Target) }
	for name := range n.copies {
		n.copies[name] = f.named(n.copies[name].Target)
	}
	for name := range n.aside {
		n.aside[name] = f.named(n.aside[name].Target)
	}
	n.listed = nil
	c.sources.read = f.Source
}

// named is the informer of a source or of a copy's name.
func (f Filling) named(of kube.Target) *watch.Informer {
	store := f.Copies[of.Name]
	if store == nil || of.Namespace != "" { // what is said of sources is said by Source
		store = watch.NewObjects()
	}
	return f.informer(of, store)
}

func (f Filling) informer(of kube.Target, store *watch.Objects) *watch.Informer {
	if f.Forbidden != nil && f.Forbidden(of) {
		store = nil
	}
	return watch.Filled(of, store)
}
