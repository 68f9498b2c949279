package reconcile

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
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// forbiddenRetry is how long a watch that was forbidden waits before it asks again: a role that is applied has to
// take effect within a minute.
const forbiddenRetry = 15 * time.Second

// watch is an informer that can be forbidden. A SharedInformer that is not allowed to list never syncs and asks
// again only after up to a minute; here being forbidden is an answer like any other, and asking again is ours.
type watch struct {
	kube.Target
	client   dynamic.Interface
	shrink   func(*unstructured.Unstructured) cluster.Object
	onEvent  func(e event)
	onState  func()
	onError  func(kube.Target, error)
	interval time.Duration // forbiddenRetry

	// A loop that lists every so often stands in where watching is forbidden, or is not wanted; 0 is no loop.
	every      time.Duration
	listOnly   bool
	remembered func(kube.Target) []cluster.Object // what we wrote and no cache has shown yet
	onLoop     func(kube.Target)                  // a loop stands in

	optional bool // the cluster may not know the resource, which is then as if it were forbidden

	watchLists *watchLists
	unfinished atomic.Int32 // how many watch-lists in a row ended without their bookmark

	since time.Time // when it was started

	mu      sync.RWMutex
	store   cache.Indexer // nil until the first run, and while forbidden
	upTo    func() string // how far the store is; nil when nobody keeps it up to date
	synced  bool
	denied  bool
	lastErr string // why the last request failed, if one did before the first answer
	cancel  context.CancelFunc
}

// event is a change of one object. Old is nil for one that is new, new is nil for one that is gone.
type event struct {
	old, new cluster.Object
	initial  bool // part of the first list
}

// run keeps the watch going until ctx ends.
func (w *watch) run(ctx context.Context) {
	for ctx.Err() == nil {
		if !w.listOnly {
			w.runInformer(ctx)
		}
		if w.every > 0 && ctx.Err() == nil && w.loop(ctx) {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(w.interval):
		}
	}
}

// runInformer runs one informer until ctx ends or the API server forbids it.
func (w *watch) runInformer(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var denied atomic.Bool
	informer := w.newInformer(func(err error) {
		denied.Store(true)
		if w.every > 0 {
			cancel() // the loop finds out whether listing is forbidden too
			return
		}
		w.set(nil, nil, false, true)
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
		w.set(informer.GetIndexer(), informer.LastSyncResourceVersion, true, false)
		if denied.Load() && w.every == 0 { // it was forbidden between its sync and here
			w.set(nil, nil, false, true)
		}
	case <-ctx.Done():
	}
	<-done
}

func (w *watch) newInformer(onForbidden func(error)) cache.SharedIndexInformer {
	scoped, selector := w.In(w.client), w.Selector()
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
		}, w.client),
		&unstructured.Unstructured{},
		cache.SharedIndexInformerOptions{
			ObjectDescription: w.String(),
			Indexers:          w.indexers(),
		})
	// These two fail only on an informer that was started.
	_ = informer.SetTransform(w.transform)
	_ = informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		switch {
		case apierrors.IsForbidden(err), w.optional && apierrors.IsNotFound(err):
			onForbidden(err)
		case apierrors.IsResourceExpired(err), apierrors.IsGone(err), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			// The ordinary end of a watch; the reflector goes on by itself.
		default:
			w.failed(err)
		}
	})
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(obj any, initial bool) { w.onEvent(event{new: object(obj), initial: initial}) },
		UpdateFunc: func(old, obj any) { w.onEvent(event{old: object(old), new: object(obj)}) },
		DeleteFunc: func(obj any) { w.onEvent(event{old: object(obj)}) },
	})
	return informer
}

// indexers are what a cache needs besides its keys: only service accounts are looked up by namespace.
func (w *watch) indexers() cache.Indexers {
	if w.Resource == kube.ServiceAccounts {
		return cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
	}
	return cache.Indexers{}
}

// unanswered tells of an API server that does not answer: the reflector retries such requests without a word.
func (w *watch) unanswered(ctx context.Context, err error) {
	if ctx.Err() == nil && kube.Classify(err) == kube.Unreachable {
		w.failed(err)
	}
}

// failed tells of a request that failed, and remembers why for whoever asks what the watch waits for.
func (w *watch) failed(err error) {
	w.mu.Lock()
	w.lastErr = kube.Redact(err)
	w.mu.Unlock()
	w.onError(w.Target, err)
}

// transform shrinks an object as it enters the cache. It may be given what it returned before.
func (w *watch) transform(obj any) (any, error) {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		return w.shrink(u), nil
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

func (w *watch) set(store cache.Indexer, upTo func() string, synced, denied bool) {
	w.mu.Lock()
	changed := w.synced != synced || w.denied != denied
	w.store, w.upTo, w.synced, w.denied = store, upTo, synced, denied
	w.mu.Unlock()
	if changed {
		w.onState()
	}
}

// answer reports whether the watch has given its first answer, a full cache or that it is forbidden; and whether it is that.
func (w *watch) answer() (settled, forbidden bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.synced || w.denied, w.denied
}

func (w *watch) settled() bool {
	settled, _ := w.answer()
	return settled
}

// forbidden reports whether the API server does not let us watch this.
func (w *watch) forbidden() bool {
	_, forbidden := w.answer()
	return forbidden
}

// get returns an object of the cache, or nil.
func (w *watch) get(key string) cluster.Object {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.store == nil {
		return nil
	}
	obj, _, _ := w.store.GetByKey(key)
	o, _ := obj.(cluster.Object)
	return o
}

// version is how far the cache is; empty when there is none, or it is only filled now and then.
func (w *watch) version() string {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.upTo == nil {
		return ""
	}
	return w.upTo()
}

// inNamespace returns the cache's objects of a namespace, in no order.
func (w *watch) inNamespace(namespace string) []any {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.store == nil {
		return nil
	}
	objs, _ := w.store.ByIndex(cache.NamespaceIndex, namespace)
	return objs
}

// all returns the cache's objects, in no order.
func (w *watch) all() []any {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.store == nil {
		return nil
	}
	return w.store.List()
}
