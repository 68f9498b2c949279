package state

import (
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

// OwnWrites remembers what this process wrote until the informers' caches show it. A decision that is made before that would
// otherwise see the old object: it would write the same again, and each write of a service account would fail, because it names
// the resourceVersion from before our last write.
type OwnWrites struct {
	mu       sync.Mutex
	entries  map[kube.Key]ownWrite
	in       map[string]int        // by namespace: how many of the entries are of it
	inFlight map[kube.Key]underWay // requests under way
}

// underWay is a request that was not answered yet, with what was heard of its object meanwhile: events can overtake the answer to
// the write that they follow.
type underWay struct {
	gone types.UID      // of an object that was deleted
	seen cluster.Object // as the caches show it
}

type ownWrite struct {
	object  cluster.Object // as the API server returned it
	deleted cluster.Object // as it was when we deleted it; nil if we wrote one
}

// NewOwnWrites returns one that remembers nothing.
func NewOwnWrites() *OwnWrites {
	return &OwnWrites{entries: map[kube.Key]ownWrite{}, in: map[string]int{}, inFlight: map[kube.Key]underWay{}}
}

// Do carries out a write and remembers what it returned. Where the event of a deletion overtook the answer, the object is gone, and
// to remember it would be to believe in it for ever; where that of the write did, there is nothing to remember. What was
// remembered is dropped when it turns out to be stale.
func (w *OwnWrites) Do(kind plan.Kind, name cache.ObjectName, do func() (cluster.Object, error)) error {
	key := kube.Key{Kind: kind, ObjectName: name}
	w.begin(key)
	o, err := do()
	w.mu.Lock()
	defer w.mu.Unlock()
	meanwhile := w.end(key)
	switch {
	case kube.Classify(err) == kube.Stale, apierrors.IsNotFound(err):
		w.drop(key)
	case err == nil && meanwhile.shows(o):
		w.drop(key)
	case err == nil && o.GetUID() != meanwhile.gone:
		w.remember(key, ownWrite{object: o})
	}
	return err
}

// Delete carries out the deletion of this version of an object and remembers it, unless its event overtook the answer: no other
// would come.
func (w *OwnWrites) Delete(kind plan.Kind, live cluster.Object, do func() error) error {
	key := kube.Key{Kind: kind, ObjectName: kube.NameOf(live)}
	w.begin(key)
	err := do()
	w.mu.Lock()
	defer w.mu.Unlock()
	if meanwhile := w.end(key); err == nil && !meanwhile.past(live) {
		w.remember(key, ownWrite{deleted: live})
	}
	return err
}

// begin notes that a request is under way.
func (w *OwnWrites) begin(key kube.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight[key] = underWay{}
}

// end notes that it was answered, and returns what was heard meanwhile. The lock is held.
func (w *OwnWrites) end(key kube.Key) underWay {
	defer delete(w.inFlight, key)
	return w.inFlight[key]
}

// shows reports whether the caches have an object already, or a later version of it.
func (u underWay) shows(o cluster.Object) bool {
	return u.seen != nil && u.seen.GetUID() == o.GetUID() && !older(u.seen, o)
}

// past reports whether the caches are past an object: they show that it is gone, or a later one of its name.
func (u underWay) past(o cluster.Object) bool {
	return u.gone == o.GetUID() || u.seen != nil && u.seen.GetUID() != o.GetUID() && !older(u.seen, o)
}

// remember notes a write. The lock is held.
func (w *OwnWrites) remember(key kube.Key, entry ownWrite) {
	if _, known := w.entries[key]; !known {
		w.in[key.Namespace]++
	}
	w.entries[key] = entry
}

// drop forgets a write, if there is one. The lock is held.
func (w *OwnWrites) drop(key kube.Key) {
	if _, known := w.entries[key]; !known {
		return
	}
	delete(w.entries, key)
	if w.in[key.Namespace]--; w.in[key.Namespace] == 0 {
		delete(w.in, key.Namespace)
	}
}

// NoneIn reports whether the caches show all that we wrote in a namespace. Then nothing in it has to be asked for with Latest.
func (w *OwnWrites) NoneIn(namespace string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.in[namespace] == 0
}

// Latest returns the newer of what the cache has (nil for nothing) and what we wrote. version is how far
// the cache is at least; empty when that is not known.
func (w *OwnWrites) Latest(kind plan.Kind, name cache.ObjectName, cached cluster.Object, version string) cluster.Object {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := kube.Key{Kind: kind, ObjectName: name}
	entry, ok := w.entries[key]
	if ok && cached == nil && entry.expired(version) {
		w.drop(key)
		return nil
	}
	switch {
	case !ok:
		return cached
	case entry.object == nil:
		if cached != nil && (cached.GetUID() == entry.deleted.GetUID() || entry.follows(cached)) {
			return nil
		}
		return cached
	case cached == nil || older(cached, entry.object):
		return entry.object
	}
	return cached
}

// expired reports whether what we wrote is gone, although no event ever showed it: the watch was away while it came and
// went, and the cache, filled anew, has seen its version.
func (e ownWrite) expired(version string) bool {
	if e.object == nil {
		return false
	}
	c, err := resourceversion.CompareResourceVersion(version, e.object.GetResourceVersion())
	return err == nil && c >= 0
}

// follows reports whether we wrote or deleted an object that came after another one of its name.
func (e ownWrite) follows(earlier cluster.Object) bool {
	last := e.object
	if last == nil {
		last = e.deleted
	}
	return last.GetUID() != earlier.GetUID() && older(earlier, last)
}

// Observe takes note of an event, and reports whether it tells nothing that we did not write ourselves.
func (w *OwnWrites) Observe(kind plan.Kind, e watch.Event) (own bool) {
	o := e.Object()
	if o == nil {
		return false
	}
	key := kube.Key{Kind: kind, ObjectName: kube.NameOf(o)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if request, ok := w.inFlight[key]; ok && e.New == nil {
		w.inFlight[key] = underWay{gone: o.GetUID()}
	} else if ok {
		w.inFlight[key] = underWay{gone: request.gone, seen: o}
	}
	entry, ok := w.entries[key]
	switch {
	case !ok:
		return false
	case entry.follows(o):
		return true // told late: the caches are about to show what we did since
	case e.New == nil:
		w.drop(key)
		return entry.object == nil && o.GetUID() == entry.deleted.GetUID()
	case entry.object == nil:
		if o.GetUID() == entry.deleted.GetUID() {
			return true // an update from before the deletion, seen late
		}
		w.drop(key)
		return false
	case older(o, entry.object):
		return true
	}
	w.drop(key)
	return o.GetResourceVersion() == entry.object.GetResourceVersion()
}

// Unobserved returns the objects that we wrote of a target, and that the caches did not show yet.
func (w *OwnWrites) Unobserved(what kube.Target) (out []cluster.Object) {
	kind, ok := kube.KindOf[what.Resource]
	if !ok {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, entry := range w.entries {
		if key.Kind == kind && entry.object != nil &&
			(what.Name == "" || what.Name == key.Name) && (what.Namespace == "" || what.Namespace == key.Namespace) {
			out = append(out, entry.object)
		}
	}
	return out
}

// Pending reports whether we wrote an object of this name, in any namespace, that the caches do not show yet.
func (w *OwnWrites) Pending(kind plan.Kind, name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, entry := range w.entries {
		if key.Kind == kind && key.Name == name && entry.object != nil {
			return true
		}
	}
	return false
}

// older reports whether a is an older version than b. Versions that cannot be compared count as not older.
func older(a, b cluster.Object) bool {
	c, err := resourceversion.CompareResourceVersion(a.GetResourceVersion(), b.GetResourceVersion())
	return err == nil && c < 0
}
