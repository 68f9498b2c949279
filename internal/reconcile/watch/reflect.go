package watch

import (
	"context"
	"errors"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// backoff is how long a reflector waits until it lists and watches again. Source: client-go's reflectors, which wait as long.
var backoff = wait.Backoff{Duration: 800 * time.Millisecond, Cap: 30 * time.Second, Steps: 38, Factor: 2, Jitter: 1}

// backoffReset is after how long without a wait it begins anew.
const backoffReset = 2 * time.Minute

// reflect keeps a cache like the cluster, until ctx ends or the API server forbids it.
//
// A Reflector does what is hard: watch-lists, versions that are too old, an API server that asks for patience. A SharedInformer
// would put a queue and a buffer for each listener between it and the cache. There is one listener, which only takes note; and with
// hundreds of names those buffers, and the stacks of who empties them, were half of all memory.
func (w *Informer) reflect(ctx context.Context) {
	m := &mirror{w: w, objects: NewObjects()}
	if listed, _ := w.stored(); listed != nil { // until now, in place of a watch
		m.objects, m.listed = listed, true
	}
	reflector := cache.NewReflectorWithOptions(w.listerWatcher(), nil, m,
		cache.ReflectorOptions{Name: w.String(), TypeDescription: w.String()})
	_ = backoff.DelayWithReset(clock.RealClock{}, backoffReset).Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		return w.ended(reflector.ListAndWatchWithContext(ctx)), nil
	})
}

// ended takes note of why a list or a watch ended, and reports whether there is nothing to be had by another try now.
func (w *Informer) ended(err error) (forbidden bool) {
	switch {
	case err == nil:
	case apierrors.IsForbidden(err), w.Optional && apierrors.IsNotFound(err):
		if w.group.ListEvery == 0 { // else the loop finds out whether listing is forbidden too
			w.set(nil, false, false, true)
			w.failed(err)
		}
		return true
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		// The ordinary end of a watch; the reflector goes on by itself.
	default:
		w.failed(err)
	}
	return false
}

func (w *Informer) listerWatcher() cache.ListerWatcher {
	scoped, selector := w.In(w.group.Client), w.Selector().String()
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			opts.FieldSelector = selector
			list, err := kube.List(ctx, scoped, opts)
			w.unanswered(ctx, err)
			if err == nil {
				w.listed()
			}
			return list, unreadable(err)
		},
		WatchFuncWithContext: func(ctx context.Context, opts metav1.ListOptions) (apiwatch.Interface, error) {
			opts.FieldSelector = selector
			stream, err := w.open(ctx, opts, scoped.Watch)
			w.unanswered(ctx, err)
			return stream, err
		},
	}, w.group.Client)
}

// unreadable puts the error of a list that ended early, or cannot be decoded, into words: by itself it looks like the ordinary end of a
// watch, of which nothing is told. Of an API server that does not answer, unanswered told already.
func unreadable(err error) error {
	if ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); ended && kube.Classify(err) != kube.Unreachable {
		return kube.Plain("the API server's answer to a list ended early, or cannot be read")
	}
	return err
}

// mirror is what a reflector fills: it shrinks each object as it comes, keeps it, and tells of it, all in the reflector's
// goroutine.
type mirror struct {
	w       *Informer
	objects *Objects
	listed  bool // there was a first list
}

// Transformer has the reflector shrink the objects of a watch-list as they come, so that it never holds them all.
func (m *mirror) Transformer() cache.TransformFunc { return m.w.transform }

// transform shrinks an object. It may be given what it returned before.
func (w *Informer) transform(obj any) (any, error) {
	if o, ok := obj.(metav1.Object); ok {
		return w.Project(o), nil
	}
	return obj, nil
}

// shrunk is an object as it is kept; nil for what is none.
func (m *mirror) shrunk(obj any) cluster.Object {
	shrunk, _ := m.w.transform(obj)
	o, _ := shrunk.(cluster.Object)
	return o
}

// Add is part of cache.ReflectorStore.
func (m *mirror) Add(obj any) error {
	o := m.shrunk(obj)
	if o == nil {
		return errNoObject
	}
	m.w.OnEvent(Event{Old: m.objects.Add(o), New: o})
	return nil
}

// Update is part of cache.ReflectorStore.
func (m *mirror) Update(obj any) error { return m.Add(obj) }

// Delete is part of cache.ReflectorStore. What is told of is the object as it was at last.
func (m *mirror) Delete(obj any) error {
	o := m.shrunk(obj)
	if o == nil {
		return errNoObject
	}
	if m.objects.Delete(o) != nil { // else it is known to be gone, from a list
		m.w.OnEvent(Event{Old: o})
	}
	return nil
}

// Replace is part of cache.ReflectorStore: it takes in a whole list, the first one or one after a watch was away. Of the first one all
// is told before the informer counts as settled: until then nobody asks.
func (m *mirror) Replace(list []any, version string) error {
	objs := make([]cluster.Object, 0, len(list))
	for _, obj := range list {
		o := m.shrunk(obj)
		if o == nil {
			return errNoObject
		}
		objs = append(objs, o)
	}
	before := m.objects.replace(objs, version)
	initial := !m.listed
	if m.listed {
		m.w.set(m.objects, true, true, false) // what is told of is there by then
	}
	for _, o := range objs {
		m.w.OnEvent(Event{Old: before.Get(kube.NameOf(o)), New: o, Initial: initial})
	}
	for _, o := range before.List() {
		if m.objects.Get(kube.NameOf(o)) == nil {
			m.w.OnEvent(Event{Old: o})
		}
	}
	if m.listed = true; initial {
		m.w.set(m.objects, true, true, false)
	}
	return nil
}

// Bookmark is part of cache.ReflectorBookmarkStore.
func (m *mirror) Bookmark(version string) error {
	m.objects.seen(version)
	return nil
}

// Resync is part of cache.ReflectorStore. It is never called.
func (m *mirror) Resync() error { return nil }

var errNoObject = errors.New("an object of a list or a watch is none")
