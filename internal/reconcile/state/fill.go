package state

import (
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

// Filling are stores that a test fills, in place of informers.
type Filling struct {
	Namespaces, Accounts cache.Indexer
	Copies               map[string]cache.Indexer // by name
	Source               func(types.NamespacedName) policy.SourceState
}

// NewFilling returns empty stores for these copy names.
func NewFilling(names []string, source func(types.NamespacedName) policy.SourceState) Filling {
	store := func(of kube.Target) cache.Indexer {
		return cache.NewIndexer(cache.MetaNamespaceKeyFunc, watch.Indexers(of.Resource))
	}
	f := Filling{
		Namespaces: store(kube.Target{Resource: kube.Namespaces}), Accounts: store(kube.Target{Resource: kube.ServiceAccounts}),
		Copies: map[string]cache.Indexer{}, Source: source,
	}
	for _, name := range names {
		f.Copies[name] = store(kube.Target{Resource: kube.Secrets})
	}
	return f
}

// Fill has a Cluster that was not started show what is in the stores. It is for tests.
func (c *Cluster) Fill(f Filling) {
	c.namespaces = watch.Filled(kube.Target{Resource: kube.Namespaces}, f.Namespaces)
	c.accounts = watch.Filled(kube.Target{Resource: kube.ServiceAccounts}, f.Accounts)
	c.status = watch.Filled(kube.Target{Resource: kube.ConfigMaps}, cache.NewIndexer(cache.MetaNamespaceKeyFunc, nil))
	c.policy = nil
	for name, store := range f.Copies {
		c.named.copies[name] = watch.Filled(kube.Target{Resource: kube.Secrets, Name: name}, store)
	}
	c.named.listed = nil
	c.sources.read = f.Source
}
