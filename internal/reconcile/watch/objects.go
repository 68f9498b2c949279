package watch

import (
	"cmp"
	"strings"
	"sync"
	"sync/atomic"

	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/third_party/forked/golang/btree"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// Objects are what an informer knows, in the order of their namespaces and then of their names. Its methods may be called at any time
// from any goroutine.
//
// It is the tree that the API server keeps its own watch caches in: an object takes a third of the memory that it takes as a map's
// entry under its name, and less yet of what a cache.Indexer takes; and those of a namespace are beside each other.
type Objects struct {
	mu      sync.RWMutex
	tree    *btree.BTree[cluster.Object]
	version string                 // everything up to it is in here; empty if that is not known
	in      atomic.Pointer[places] // namespaces that have an object, or had one
}

// treeDegree is half of how many objects a node of the tree has at most, as in the API server's caches.
const treeDegree = 16

// NewObjects returns one without an object.
func NewObjects() *Objects {
	o := &Objects{tree: newTree()}
	o.in.Store(&places{})
	return o
}

// newTree returns a tree that keeps no emptied nodes: there is one for each name.
func newTree() *btree.BTree[cluster.Object] {
	return btree.NewWithFreeList(treeDegree, before, btree.NewFreeList[cluster.Object](0))
}

// before reports whether an object comes before another one.
func before(a, b cluster.Object) bool {
	return cmp.Or(strings.Compare(a.GetNamespace(), b.GetNamespace()), strings.Compare(a.GetName(), b.GetName())) < 0
}

// questions are what stands for the object of a name in a question to the tree.
var questions = sync.Pool{New: func() any { return new(cluster.Meta) }}

// find returns the object of a name, or nil. The lock is held.
func (o *Objects) find(name cache.ObjectName) cluster.Object {
	question := questions.Get().(*cluster.Meta)
	defer questions.Put(question)
	question.Namespace, question.Name = name.Namespace, name.Name
	obj, _ := o.tree.Get(question)
	return obj
}

// Add puts an object in the place of the one of its name, and returns that; nil if there was none. Objects are added and deleted in the
// order of their versions.
func (o *Objects) Add(obj cluster.Object) (before cluster.Object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before, _ = o.tree.ReplaceOrInsert(obj)
	o.in.Load().add(PlaceOf(obj.GetNamespace()))
	o.version = obj.GetResourceVersion()
	return before
}

// Delete takes the object of this one's name away, and returns it; nil if there was none.
func (o *Objects) Delete(obj cluster.Object) (before cluster.Object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before, _ = o.tree.Delete(obj)
	o.version = obj.GetResourceVersion()
	return before
}

// replace puts these objects in the place of all, and returns those that were there.
func (o *Objects) replace(objs []cluster.Object, version string) (before *Objects) {
	next, in := newTree(), &places{}
	for _, obj := range objs {
		next.ReplaceOrInsert(obj)
		in.add(PlaceOf(obj.GetNamespace()))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	before = &Objects{tree: o.tree}
	before.in.Store(o.in.Swap(in))
	o.tree, o.version = next, version
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
	obj, _ := o.getWithVersion(name)
	return obj
}

// getWithVersion returns the object of a name, or nil, and a version up to which everything is known.
func (o *Objects) getWithVersion(name cache.ObjectName) (obj cluster.Object, version string) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.find(name), o.version
}

// at returns the object of a name in a place, or nil.
func (o *Objects) at(place Place, name string) cluster.Object {
	if !o.in.Load().mayHave(place) {
		return nil
	}
	return o.Get(cache.ObjectName{Namespace: place.Namespace, Name: name})
}

// List returns all objects.
func (o *Objects) List() []cluster.Object {
	o.mu.RLock()
	defer o.mu.RUnlock()
	all := make([]cluster.Object, 0, o.tree.Len())
	o.tree.Ascend(func(obj cluster.Object) bool {
		all = append(all, obj)
		return true
	})
	return all
}

// inNamespace returns the objects of a namespace.
func (o *Objects) inNamespace(namespace string) (all []cluster.Object) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	o.tree.AscendGreaterOrEqual(&cluster.Meta{Namespace: namespace}, func(obj cluster.Object) bool {
		here := obj.GetNamespace() == namespace
		if here {
			all = append(all, obj)
		}
		return here
	})
	return all
}
