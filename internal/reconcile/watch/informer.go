// Package watch keeps informers over the dynamic client: one for each name, so that a role can be limited to that name. One
// that may not list or watch says so and goes on asking, and one that may only list does that every so often.
package watch

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
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
	Project func(*unstructured.Unstructured) cluster.Object // what is remembered of an object
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
	since   time.Time     // when it was started; zero before
	store   cache.Indexer // nil until the first run, and while forbidden
	follows bool          // the store is kept up to date by a watch
	synced  bool
	denied  bool
	lastErr string // why the last request failed, if one did before the first answer
	stop    context.CancelFunc
}

// run keeps the informer going until ctx ends.
func (w *Informer) run(ctx context.Context) {
	for ctx.Err() == nil {
		if !w.group.ListOnly {
			w.runInformer(ctx)
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

// runInformer runs one informer until ctx ends or the API server forbids it.
func (w *Informer) runInformer(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var denied atomic.Bool
	informer := w.newInformer(func(err error) {
		denied.Store(true)
		if w.group.ListEvery > 0 {
			cancel() // the loop finds out whether listing is forbidden too
			return
		}
		w.set(nil, false, false, true)
		w.failed(err)
		cancel()
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		informer.RunWithContext(ctx)
	}()
	select {
	case <-informer.HasSyncedChecker().Done():
		w.set(informer.GetIndexer(), true, true, false)
		if denied.Load() && w.group.ListEvery == 0 { // it was forbidden between its sync and here
			w.set(nil, false, false, true)
		}
	case <-ctx.Done():
	}
	<-done
}

func (w *Informer) newInformer(onForbidden func(error)) cache.SharedIndexInformer {
	scoped, selector := w.In(w.group.Client), w.Selector()
	informer := cache.NewSharedIndexInformerWithOptions(
		cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
				opts.FieldSelector = selector.String()
				list, err := scoped.List(ctx, opts)
				w.unanswered(ctx, err)
				if err == nil {
					w.listed()
				}
				return list, err
			},
			WatchFuncWithContext: func(ctx context.Context, opts metav1.ListOptions) (apiwatch.Interface, error) {
				opts.FieldSelector = selector.String()
				stream, err := w.open(ctx, opts, scoped.Watch)
				w.unanswered(ctx, err)
				return stream, err
			},
		}, w.group.Client),
		&unstructured.Unstructured{},
		cache.SharedIndexInformerOptions{
			ObjectDescription: w.String(),
			Indexers:          Indexers(w.Resource),
		})
	// These two fail only on an informer that was started.
	_ = informer.SetTransform(w.transform)
	_ = informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		switch {
		case apierrors.IsForbidden(err), w.Optional && apierrors.IsNotFound(err):
			onForbidden(err)
		case apierrors.IsResourceExpired(err), apierrors.IsGone(err), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			// The ordinary end of a watch; the reflector goes on by itself.
		default:
			w.failed(err)
		}
	})
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(obj any, initial bool) { w.OnEvent(Event{New: object(obj), Initial: initial}) },
		UpdateFunc: func(old, obj any) { w.OnEvent(Event{Old: object(old), New: object(obj)}) },
		DeleteFunc: func(obj any) { w.OnEvent(Event{Old: object(obj)}) },
	})
	return informer
}

// Indexers are what a cache needs besides its keys: only service accounts are looked up by namespace.
func Indexers(resource schema.GroupVersionResource) cache.Indexers {
	if resource == kube.ServiceAccounts {
		return cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
	}
	return cache.Indexers{}
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

// transform shrinks an object as it enters the cache. It may be given what it returned before.
func (w *Informer) transform(obj any) (any, error) {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		return w.Project(u), nil
	}
	return obj, nil
}

func object(obj any) cluster.Object {
	if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	o, _ := obj.(cluster.Object)
	return o
}

func (w *Informer) set(store cache.Indexer, follows, synced, denied bool) {
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
	return w.synced || w.denied, w.denied
}

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
func (w *Informer) Get(key string) cluster.Object {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.store == nil {
		return nil
	}
	obj, _, _ := w.store.GetByKey(key)
	o, _ := obj.(cluster.Object)
	return o
}

// GetWithVersion returns an object of the cache, or nil, and a version up to which the cache holds at least everything;
// empty when that is not known, as where it is only filled now and then.
func (w *Informer) GetWithVersion(key string) (o cluster.Object, version string) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.store == nil {
		return nil, ""
	}
	if w.follows {
		version = w.store.LastStoreSyncResourceVersion() // before the object is read: it may come in between
	}
	obj, _, _ := w.store.GetByKey(key)
	o, _ = obj.(cluster.Object)
	return o, version
}

// InNamespace returns the cache's objects of a namespace, in no order.
func (w *Informer) InNamespace(namespace string) []any {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.store == nil {
		return nil
	}
	objs, _ := w.store.ByIndex(cache.NamespaceIndex, namespace)
	return objs
}

// All returns the cache's objects, in no order.
func (w *Informer) All() []any {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.store == nil {
		return nil
	}
	return w.store.List()
}
