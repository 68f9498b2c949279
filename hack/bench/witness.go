package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

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
	w.follow(ctx, api.Accounts, "", func(u *unstructured.Unstructured, gone bool) {
		list, _, _ := unstructured.NestedSlice(u.Object, "imagePullSecrets")
		w.lists[u.GetNamespace()+"/"+u.GetName()] = len(list)
		if _, known := w.born[u.GetNamespace()]; !known && u.GetName() == "default" {
			w.born[u.GetNamespace()] = time.Now()
		}
	})
	for _, name := range copies {
		w.follow(ctx, api.Secrets, "metadata.name="+name, func(u *unstructured.Unstructured, gone bool) {
			content, _, _ := unstructured.NestedString(u.Object, "data", ".dockerconfigjson")
			if gone {
				content = ""
			}
			w.copies[u.GetNamespace()+"/"+u.GetName()] = content
		})
	}
	return w
}

// follow starts a watch and waits until it is up to date.
func (w *witness) follow(ctx context.Context, resource schema.GroupVersionResource, selector string, note func(u *unstructured.Unstructured, gone bool)) {
	api.Follow(ctx, w.l.client.Resource(resource), metav1.ListOptions{FieldSelector: selector}, func(u *unstructured.Unstructured, gone bool) {
		w.see(func() { note(u, gone) })
	})
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
		if !w.l.pods && w.lists[ns+"/"+account] < secrets {
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
