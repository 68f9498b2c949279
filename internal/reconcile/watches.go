package reconcile

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// watches are all informers: three or four that are always there, and one for each source and each copy's name. One watch
// for a name is what lets a role be limited to that name.
type watches struct {
	namespaces, accounts, status *watch
	policy                       *watch // nil if the policy is given
	admission                    *watch // nil without -admission

	client    dynamic.Interface
	projector *cluster.Projector
	hooks     hooks
	every     time.Duration // of the loops, if there are any
	listOnly  bool
	lists     watchLists
	run       func(*watch) // starts a watch and sets its cancel

	mu      sync.RWMutex
	sources map[types.NamespacedName]*watch
	copies  map[string]*watch
	aside   map[string]*watch // of names that only ledgers have: nothing is decided by them
	awaited bool              // they are waited for, as all others are
	listed  *copyWatches      // what copies holds; nil: list it again
}

// copyWatches are the watches of all copy names in use. It is shared, and not changed.
type copyWatches struct {
	names   []string // sorted
	watches []*watch // of these names
}

// settled returns the names of the watches that have given their first answer, sorted.
func (c *copyWatches) settled() []string {
	var names []string
	for i, w := range c.watches {
		if w.settled() {
			names = append(names, c.names[i])
		}
	}
	return names
}

// hooks are what happens on events, by what they are about.
type hooks struct {
	namespace, account, copy, source, configMap func(event)
	parameter                                   func(event)
	state                                       func() // a watch became settled, or forbidden
	failed                                      func(kube.Target, error)
	asideFailed                                 func(kube.Target, error) // of names that only ledgers have
	looped                                      func(kube.Target)        // it may be listed, but not watched
	plain                                       func(kube.Target)        // from now on all are listed and then watched
	remembered                                  func(kube.Target) []cluster.Object
}

// newWatches starts the watches that are always there. All end with ctx; running counts them.
func newWatches(ctx context.Context, running *sync.WaitGroup, cfg Config, projector *cluster.Projector, hooks hooks) *watches {
	w := &watches{
		client: cfg.Client, projector: projector, hooks: hooks, every: cfg.LoopEvery, listOnly: cfg.ListOnly,
		sources: map[types.NamespacedName]*watch{},
		copies:  map[string]*watch{},
		aside:   map[string]*watch{},
	}
	w.lists.lost = hooks.plain
	w.run = func(one *watch) {
		one.since, one.watchLists = time.Now(), &w.lists
		ctx, cancel := context.WithCancel(ctx)
		one.cancel = cancel
		running.Go(func() { one.run(ctx) })
	}
	configMap := func(u *unstructured.Unstructured) cluster.Object { return cluster.NewConfigMap(u) }
	w.namespaces = w.add(kube.Target{Resource: kube.Namespaces},
		func(u *unstructured.Unstructured) cluster.Object { return cluster.NewNamespace(u, cfg.OptOut...) }, hooks.namespace)
	w.accounts = w.add(kube.Target{Resource: kube.ServiceAccounts},
		func(u *unstructured.Unstructured) cluster.Object { return cluster.NewServiceAccount(u, cfg.OptOut...) }, hooks.account)
	if cfg.Documents == nil {
		w.policy = w.add(kube.Target{Resource: kube.ConfigMaps, Namespace: cfg.Namespace, Name: cfg.PolicyName}, configMap, hooks.configMap)
	}
	w.status = w.add(kube.Target{Resource: kube.ConfigMaps, Namespace: cfg.Namespace, Name: cfg.StatusName}, configMap, hooks.configMap)
	if cfg.Admission {
		w.admission = w.addOptional(kube.Target{Resource: kube.AdmissionRules, Namespace: cfg.Namespace},
			func(u *unstructured.Unstructured) cluster.Object { return newParameter(u) }, hooks.parameter)
	}
	return w
}

func (w *watches) add(t kube.Target, shrink func(*unstructured.Unstructured) cluster.Object, onEvent func(event)) *watch {
	return w.addTold(t, shrink, onEvent, w.hooks.failed)
}

// addTold starts a watch whose failed requests are told to onError.
func (w *watches) addTold(t kube.Target, shrink func(*unstructured.Unstructured) cluster.Object, onEvent func(event), onError func(kube.Target, error)) *watch {
	one := &watch{
		Target: t, client: w.client, shrink: shrink, interval: forbiddenRetry,
		onEvent: onEvent, onState: w.hooks.state, onError: onError,
		every: w.every, listOnly: w.listOnly, onLoop: w.hooks.looped, remembered: w.hooks.remembered,
	}
	w.run(one)
	return one
}

// addOptional starts a watch of what the cluster may not know. That it does not is said elsewhere.
func (w *watches) addOptional(t kube.Target, shrink func(*unstructured.Unstructured) cluster.Object, onEvent func(event)) *watch {
	one := &watch{
		Target: t, client: w.client, shrink: shrink, interval: forbiddenRetry, optional: true,
		onEvent: onEvent, onState: w.hooks.state, onError: func(t kube.Target, err error) {
			if !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) {
				w.hooks.failed(t, err)
			}
		},
	}
	w.run(one)
	return one
}

// need starts the watches that are missing for these sources and copy names. It stops none.
func (w *watches) need(sources []types.NamespacedName, names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range sources {
		if w.sources[s] == nil {
			w.sources[s] = w.add(kube.Target{Resource: kube.Secrets, Namespace: s.Namespace, Name: s.Name},
				func(u *unstructured.Unstructured) cluster.Object { return w.projector.Source(u) }, w.hooks.source)
		}
	}
	for _, name := range names {
		if w.copies[name] == nil {
			w.listed = nil
			w.copies[name] = w.aside[name]
			delete(w.aside, name)
		}
		if w.copies[name] == nil {
			w.copies[name] = w.addCopy(name, w.hooks.failed)
		}
	}
}

// addCopy watches the secrets of a name in all namespaces.
func (w *watches) addCopy(name string, onError func(kube.Target, error)) *watch {
	return w.addTold(kube.Target{Resource: kube.Secrets, Name: name},
		func(u *unstructured.Unstructured) cluster.Object { return w.projector.Secret(u) }, w.hooks.copy, onError)
}

// awaitAside has the watches that look returned nothing of waited for, or not any more.
func (w *watches) awaitAside(wait bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.awaited = wait
}

// look watches, besides what is needed, these copy names and no others. It returns those that may be read, and whether
// each has been answered.
func (w *watches) look(names []string) (readable []string, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	stopOthers(w.aside, names)
	all = true
	for _, name := range names {
		one := w.aside[name]
		if one == nil {
			if w.copies[name] != nil {
				continue
			}
			one = w.addCopy(name, w.hooks.asideFailed) // it may be anybody's: that it may not be read is said once
			w.aside[name] = one
		}
		switch {
		case !one.settled():
			all = false
		case !one.forbidden():
			readable = append(readable, name)
		}
	}
	return readable, all
}

// keep stops the watches of all other sources and copy names.
func (w *watches) keep(sources []types.NamespacedName, names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	stopOthers(w.sources, sources)
	stopOthers(w.copies, names)
	w.listed = nil
}

func stopOthers[K comparable](have map[K]*watch, keep []K) {
	kept := make(map[K]bool, len(keep))
	for _, k := range keep {
		kept[k] = true
	}
	for k, one := range have {
		if !kept[k] {
			one.cancel()
			delete(have, k)
		}
	}
}

// settled reports whether every watch has given its first answer.
func (w *watches) settled() bool { return len(w.unsettled()) == 0 }

// configMapsSettled reports whether it is known what the policy and the status ConfigMap hold.
func (w *watches) configMapsSettled() bool {
	return (w.policy == nil || w.policy.settled()) && w.status.settled()
}

func (w *watches) copy(name string) *watch {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.copies[name]
}

func (w *watches) source(key types.NamespacedName) *watch {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.sources[key]
}

// allCopies returns the watches of all copy names.
func (w *watches) allCopies() *copyWatches {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listed == nil {
		w.listed = &copyWatches{names: slices.Sorted(maps.Keys(w.copies))}
		for _, name := range w.listed.names {
			w.listed.watches = append(w.listed.watches, w.copies[name])
		}
	}
	return w.listed
}
