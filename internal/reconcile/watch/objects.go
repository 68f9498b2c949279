package watch

import (
	"maps"
	"slices"
	"sync"

	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// Objects are what an informer knows, by namespace and name. Its methods may be called at any time from any goroutine.
//
// A cache.Indexer would do too: it takes a string of its own for each key and a set for each namespace, more than most of the objects
// that are kept here.
type Objects struct {
	mu      sync.RWMutex
	all     map[cache.ObjectName]cluster.Object
	in      map[string][]cluster.Object // by namespace, in no order; nil where nobody asks for that
	version string                      // everything up to it is in here; empty if that is not known
}

// NewObjects returns one for what is of a target, without an object. Only service accounts are asked for by namespace.
func NewObjects(of kube.Target) *Objects {
	o := &Objects{all: map[cache.ObjectName]cluster.Object{}}
	if of.Resource == kube.ServiceAccounts {
		o.in = map[string][]cluster.Object{}
	}
	return o
}

// Add puts an object in the place of the one of its name, and returns that; nil if there was none. Objects are added and deleted in the
// order of their versions.
func (o *Objects) Add(obj cluster.Object) (before cluster.Object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	name := kube.NameOf(obj)
	before = o.all[name]
	o.all[name], o.version = obj, obj.GetResourceVersion()
	if o.in == nil {
		return before
	}
	if before != nil {
		o.leave(before)
	}
	o.in[name.Namespace] = append(o.in[name.Namespace], obj)
	return before
}

// Delete takes the object of this one's name away, and returns it; nil if there was none.
func (o *Objects) Delete(obj cluster.Object) (before cluster.Object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	name := kube.NameOf(obj)
	before = o.all[name]
	delete(o.all, name)
	o.version = obj.GetResourceVersion()
	if before != nil && o.in != nil {
		o.leave(before)
	}
	return before
}

// leave takes an object out of those of its namespace. Whoever asked for them before has a copy. The lock is held.
func (o *Objects) leave(obj cluster.Object) {
	namespace := obj.GetNamespace()
	left := slices.DeleteFunc(o.in[namespace], func(other cluster.Object) bool { return other == obj })
	if len(left) == 0 {
		delete(o.in, namespace)
		return
	}
	o.in[namespace] = left
}

// replace puts these objects in the place of all, and returns those that were there.
func (o *Objects) replace(objs []cluster.Object, version string) (before map[cache.ObjectName]cluster.Object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before = o.all
	o.all, o.version = make(map[cache.ObjectName]cluster.Object, len(objs)), version
	if o.in != nil {
		clear(o.in)
	}
	for _, obj := range objs {
		o.all[kube.NameOf(obj)] = obj
	}
	if o.in != nil {
		for name, obj := range o.all {
			o.in[name.Namespace] = append(o.in[name.Namespace], obj)
		}
	}
	return before
}

// seen notes that everything up to a version is in here.
func (o *Objects) seen(version string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.version = version
}

// Get returns the object of a name, or nil.
func (o *Objects) Get(name cache.ObjectName) cluster.Object {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.all[name]
}

// getWithVersion returns the object of a name, or nil, and a version up to which everything is known.
func (o *Objects) getWithVersion(name cache.ObjectName) (obj cluster.Object, version string) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.all[name], o.version
}

// List returns all objects, in no order.
func (o *Objects) List() []cluster.Object {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return slices.AppendSeq(make([]cluster.Object, 0, len(o.all)), maps.Values(o.all))
}

// inNamespace returns the objects of a namespace, in no order.
func (o *Objects) inNamespace(namespace string) []cluster.Object {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return slices.Clone(o.in[namespace])
}
