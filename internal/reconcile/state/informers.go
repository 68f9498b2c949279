package state

import (
	"maps"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

// named are the informers of which there is one for each source and each copy's name. They come and go with the policy. One
// informer for a name is what lets a role be limited to that name.
type named struct {
	add func(watch.Spec) *watch.Informer

	source, copy watch.Spec // but for the target
	// untracked is told, in place of copy.OnError, of names that only ledgers have: they may be anybody's.
	untracked func(kube.Target, error)

	mu      sync.RWMutex
	sources map[types.NamespacedName]*watch.Informer
	copies  map[string]*watch.Informer
	aside   map[string]*watch.Informer // of names that only ledgers have: nothing is decided by them
	awaited bool                       // those are waited for too
	listed  *copyInformers             // what copies holds; nil: list it again
}

// copyInformers are the informers of all copy names in use. It is shared, and not changed.
type copyInformers struct {
	names     []string // sorted
	informers []*watch.Informer
}

// settled returns the names whose informers have given their first answer, sorted.
func (c *copyInformers) settled() []string {
	var names []string
	for i, w := range c.informers {
		if w.Settled() {
			names = append(names, c.names[i])
		}
	}
	return names
}

// ensure starts the informers that are missing for these sources and copy names. It stops none.
func (n *named) ensure(sources []types.NamespacedName, names []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range sources {
		if n.sources[s] == nil {
			spec := n.source
			spec.Target = kube.Target{Resource: kube.Secrets, Namespace: s.Namespace, Name: s.Name}
			n.sources[s] = n.add(spec)
		}
	}
	for _, name := range names {
		if n.copies[name] == nil {
			n.listed = nil
			n.copies[name] = n.aside[name]
			delete(n.aside, name)
		}
		if n.copies[name] == nil {
			n.copies[name] = n.addCopy(name, n.copy.OnError)
		}
	}
}

// addCopy follows the secrets of a name in all namespaces.
func (n *named) addCopy(name string, onError func(kube.Target, error)) *watch.Informer {
	spec := n.copy
	spec.Target, spec.OnError = kube.Target{Resource: kube.Secrets, Name: name}, onError
	return n.add(spec)
}

// keep stops the informers of all other sources and copy names.
func (n *named) keep(sources []types.NamespacedName, names []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	stopOthers(n.sources, sources)
	stopOthers(n.copies, names)
	n.listed = nil
}

// lookAside follows, besides what is needed, these copy names and no others. It returns those that may be read, and whether
// each has been answered.
func (n *named) lookAside(names []string) (readable []string, all bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	stopOthers(n.aside, names)
	all = true
	for _, name := range names {
		one := n.aside[name]
		if one == nil {
			if n.copies[name] != nil {
				continue
			}
			one = n.addCopy(name, n.untracked)
			n.aside[name] = one
		}
		switch settled, forbidden := one.Answer(); {
		case !settled:
			all = false
		case !forbidden:
			readable = append(readable, name)
		}
	}
	return readable, all
}

func stopOthers[K comparable](have map[K]*watch.Informer, keep []K) {
	kept := make(map[K]bool, len(keep))
	for _, k := range keep {
		kept[k] = true
	}
	for k, one := range have {
		if !kept[k] {
			one.Stop()
			delete(have, k)
		}
	}
}

func (n *named) copyOf(name string) *watch.Informer {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.copies[name]
}

func (n *named) sourceAt(key types.NamespacedName) *watch.Informer {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.sources[key]
}

// allCopies returns the informers of all copy names.
func (n *named) allCopies() *copyInformers {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listed == nil {
		n.listed = &copyInformers{names: slices.Sorted(maps.Keys(n.copies))}
		for _, name := range n.listed.names {
			n.listed.informers = append(n.listed.informers, n.copies[name])
		}
	}
	return n.listed
}

// all returns the informers that are waited for, in no order.
func (n *named) all() (all []*watch.Informer) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	all = slices.AppendSeq(all, maps.Values(n.sources))
	all = slices.AppendSeq(all, maps.Values(n.copies))
	if n.awaited {
		all = slices.AppendSeq(all, maps.Values(n.aside))
	}
	return all
}

// projected gives a projection the type that an informer wants.
func projected[T cluster.Object](project func(metav1.Object) T) func(metav1.Object) cluster.Object {
	return func(o metav1.Object) cluster.Object { return project(o) }
}
