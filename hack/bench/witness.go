package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// witness sees through watches of its own when something is complete, in the same way for everybody who is measured.
type witness struct {
	l      *lab
	cancel context.CancelFunc

	mu      sync.Mutex
	changed chan struct{}
	copies  map[string]string    // by namespace/name: the encoded content
	lists   map[string]int       // by namespace/name: how many pull secrets
	born    map[string]time.Time // by namespace: when its default account was seen first
}

func (l *lab) witness(copies []string) *witness {
	ctx, cancel := context.WithCancel(l.ctx)
	w := &witness{
		l: l, cancel: cancel, changed: make(chan struct{}, 1),
		copies: map[string]string{}, lists: map[string]int{}, born: map[string]time.Time{},
	}
	w.follow(ctx, api.Accounts, "", func(u metav1.Object, gone bool) {
		w.lists[u.GetNamespace()+"/"+u.GetName()] = len(cluster.NewServiceAccount(u).PullSecrets)
		if _, known := w.born[u.GetNamespace()]; !known && u.GetName() == "default" {
			w.born[u.GetNamespace()] = time.Now()
		}
	})
	for _, name := range copies {
		w.follow(ctx, api.Secrets, "metadata.name="+name, func(u metav1.Object, gone bool) {
			content := contentOf(u)
			if gone {
				content = ""
			}
			w.copies[u.GetNamespace()+"/"+u.GetName()] = content
		})
	}
	return w
}

// contentOf is the encoded content of a copy.
func contentOf(o metav1.Object) (content string) {
	switch o := o.(type) {
	case *corev1.Secret:
		content = base64.StdEncoding.EncodeToString(o.Data[corev1.DockerConfigJsonKey])
	case *unstructured.Unstructured:
		content, _, _ = unstructured.NestedString(o.Object, "data", corev1.DockerConfigJsonKey)
	}
	return content
}

// follow starts a watch and waits until it is up to date. It is in protobuf, as those of the cluster's own controllers and kubelets,
// so that the API server encodes no event for it alone.
func (w *witness) follow(ctx context.Context, resource schema.GroupVersionResource, selector string, note func(o metav1.Object, gone bool)) {
	of := w.l.typed.Resource(resource)
	see := func(obj any, gone bool) {
		if last, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = last.Obj
		}
		if o, ok := obj.(metav1.Object); ok {
			w.see(func() { note(o, gone) })
		}
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				o.FieldSelector = selector
				return of.List(ctx, o)
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
				o.FieldSelector = selector
				return of.Watch(ctx, o)
			},
		}, w.l.typed),
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(o any) { see(o, false) },
			UpdateFunc: func(_, o any) { see(o, false) },
			DeleteFunc: func(o any) { see(o, true) },
		},
	})
	go informer.RunWithContext(ctx)
	cache.WaitForCacheSync(ctx.Done(), informer.HasSynced)
}

// see changes what the conditions look at, and has them look again.
func (w *witness) see(change func()) {
	w.mu.Lock()
	change()
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// complete reports whether a namespace has all that it should.
func (w *witness) complete(ns string, secrets int, want func(i int) string) bool {
	if !w.hasCopies(ns, secrets, want) {
		return false
	}
	for _, account := range w.l.accountNames() {
		if w.l.mode != pods && w.lists[ns+"/"+account] < secrets {
			return false
		}
	}
	return true
}

// hasCopies reports whether all copies are as wanted; where nothing is wanted, whatever is there will do.
func (w *witness) hasCopies(ns string, secrets int, want func(i int) string) bool {
	for i := range secrets {
		if content := want(i); content != "" && w.copies[fmt.Sprintf("%s/reg-%d", ns, i)] != content {
			return false
		}
	}
	return true
}

// until waits until a condition on all that is seen holds, and returns when the last change of it was seen. It is an
// error if one of the processes that are to bring it about ends before.
func (w *witness) until(condition func() bool, by ...*process) (time.Time, error) {
	ended := make(chan struct{}, len(by))
	for _, p := range by {
		go func() {
			<-p.ended
			ended <- struct{}{}
		}()
	}
	deadline := time.After(5 * time.Minute)
	for {
		w.mu.Lock()
		ok := condition()
		w.mu.Unlock()
		if ok {
			return time.Now(), nil
		}
		select {
		case <-w.changed:
			time.Sleep(2 * time.Millisecond) // events come in bursts; the condition looks at everything
		case <-ended:
			return time.Time{}, fmt.Errorf("the program ended before all was complete; -logs shows why")
		case <-deadline:
			return time.Time{}, fmt.Errorf("not complete after 5 minutes")
		}
	}
}

// all is the condition that a set of namespaces is complete.
func (w *witness) all(names []string, secrets int, want func(i int) string) func() bool {
	return each(names, func(ns string) bool { return w.complete(ns, secrets, want) })
}

// copied is the condition that a set of namespaces has all copies, whatever the accounts say.
func (w *witness) copied(names []string, secrets int, want func(i int) string) func() bool {
	return each(names, func(ns string) bool { return w.hasCopies(ns, secrets, want) })
}

// each is the condition that something holds for all names. For which it holds is not looked at again.
func each(names []string, holds func(ns string) bool) func() bool {
	next := 0
	return func() bool {
		for next < len(names) && holds(names[next]) {
			next++
		}
		return next == len(names)
	}
}
