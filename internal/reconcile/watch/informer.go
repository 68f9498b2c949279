// Package watch keeps informers over the dynamic client: one for each name, so that a role can be limited to that name. One
// that may not list or watch says so and goes on asking, and one that may only list does that every so often.
package watch

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// forbiddenRetry is how long a watch that was forbidden waits before it asks again: a role that is applied has to
// take effect within a minute.
const forbiddenRetry = 15 * time.Second

// Spec says what an informer is about, and who is told of it.
type Spec struct {
	kube.Target
	// Project is what is remembered of an object, which is unstructured or of its type, see kube.NewDynamic.
	Project func(metav1.Object) cluster.Object
	OnEvent func(Event)
	OnError func(kube.Target, error) // a request failed; it is tried again in any case
	// Optional says that the cluster may not know the resource, which is then as if it were forbidden.
	Optional bool
}

// Event is a change of one object. Old is nil for one that is new, New is nil for one that is gone.
type Event struct {
	Old, New cluster.Object
	Initial  bool // part of the first list
}

// Unchanged reports whether an event only repeats what was known, as after a watch that began anew.
func (e Event) Unchanged() bool {
	return e.Old != nil && e.New != nil && e.Old.GetResourceVersion() == e.New.GetResourceVersion()
}

// Object is what the event is about, as it is now or was last.
func (e Event) Object() cluster.Object {
	if e.New != nil {
		return e.New
	}
	return e.Old
}

// Informer is an informer that can be forbidden. A SharedInformer that is not allowed to list never syncs and asks
// again only after up to a minute; here being forbidden is an answer like any other, and asking again is ours.
type Informer struct {
	Spec
	group      *Group
	unfinished atomic.Int32 // how many watch-lists in a row ended without their bookmark

	mu      sync.RWMutex
	since   time.Time // when it was started; zero before
	store   *Objects  // nil until the first answer, and while forbidden
	follows bool      // the store is kept up to date by a watch
	synced  bool
	denied  bool
	lastErr string // why the last request failed, if one did before the first answer
	stop    context.CancelFunc
}

// run keeps the informer going until ctx ends.
func (w *Informer) run(ctx context.Context) {
	for ctx.Err() == nil {
		if !w.group.ListOnly {
			w.reflect(ctx)
		}
		if w.group.ListEvery > 0 && ctx.Err() == nil && w.listAgain(ctx) {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(forbiddenRetry):
		}
	}
}

// unanswered tells of an API server that does not answer: the reflector retries such requests without a word.
func (w *Informer) unanswered(ctx context.Context, err error) {
	if ctx.Err() == nil && kube.Classify(err) == kube.Unreachable {
		w.failed(err)
	}
}

// failed tells of a request that failed, and remembers why for whoever asks what the watch waits for.
func (w *Informer) failed(err error) {
	w.mu.Lock()
	w.lastErr = kube.Redact(err)
	w.mu.Unlock()
	w.OnError(w.Target, err)
}

func (w *Informer) set(store *Objects, follows, synced, denied bool) {
	w.mu.Lock()
	changed := w.synced != synced || w.denied != denied
	w.store, w.follows, w.synced, w.denied = store, follows, synced, denied
	w.mu.Unlock()
	if changed {
		w.group.OnState()
	}
}

// Answer reports whether the informer has given its first answer, a full cache or that it is forbidden; and whether it is
// that.
func (w *Informer) Answer() (settled, forbidden bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.answer()
}

// answer is Answer. The lock is held.
func (w *Informer) answer() (settled, forbidden bool) { return w.synced || w.denied, w.denied }

// Settled reports whether the informer has given its first answer.
func (w *Informer) Settled() bool {
	settled, _ := w.Answer()
	return settled
}

// Forbidden reports whether the API server does not let us watch this.
func (w *Informer) Forbidden() bool {
	_, forbidden := w.Answer()
	return forbidden
}

// Get returns an object of the cache, or nil.
func (w *Informer) Get(name cache.ObjectName) cluster.Object {
	if store, _ := w.stored(); store != nil {
		return store.Get(name)
	}
	return nil
}

// At returns the object of the informer's name in a place, or nil, and the informer's Answer.
func (w *Informer) At(place Place) (o cluster.Object, settled, forbidden bool) {
	w.mu.RLock()
	store := w.store
	settled, forbidden = w.answer()
	w.mu.RUnlock()
	if store != nil {
		o = store.at(place, w.Name)
	}
	return o, settled, forbidden
}

// GetWithVersion returns an object of the cache, or nil, and a version up to which the cache holds at least everything;
// empty when that is not known, as where it is only filled now and then.
func (w *Informer) GetWithVersion(name cache.ObjectName) (o cluster.Object, version string) {
	store, follows := w.stored()
	switch {
	case store == nil:
		return nil, ""
	case !follows:
		return store.Get(name), ""
	}
	return store.getWithVersion(name)
}

// InNamespace returns the cache's objects in a namespace, in the order of their names.
func (w *Informer) InNamespace(namespace string) []cluster.Object {
	if store, _ := w.stored(); store != nil {
		return store.inNamespace(namespace)
	}
	return nil
}

// All returns the cache's objects, in the order of their namespaces and names.
func (w *Informer) All() []cluster.Object {
	if store, _ := w.stored(); store != nil {
		return store.List()
	}
	return nil
}

// stored returns the cache, nil for none, and whether a watch keeps it up to date.
func (w *Informer) stored() (store *Objects, follows bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.store, w.follows
}
