package watch

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

const (
	// listRetry is how soon a list that failed is tried again, if the loop is slower.
	listRetry = 2 * time.Second
	// watchProbe is how often a loop that only stands in for a forbidden watch asks whether it is permitted now.
	watchProbe = time.Minute
)

// listAgain fills the informer's cache by listing every so often, for whoever may not watch or does not want to. All else is
// as with an informer: the same events, the same decisions. It ends with ctx, when listing is forbidden too, or when
// it is not wanted for itself and watching turns out to be permitted.
func (w *Informer) listAgain(ctx context.Context) (watchable bool) {
	next, probe := time.Now(), time.Now().Add(watchProbe)
	for ctx.Err() == nil {
		if !time.Now().Before(next) {
			wait, forbidden := w.listOnce(ctx)
			if forbidden {
				return false
			}
			next = time.Now().Add(wait)
		}
		if !w.group.ListOnly && !time.Now().Before(probe) {
			if w.mayWatch(ctx) {
				return true
			}
			probe = time.Now().Add(watchProbe)
		}
		until := next
		if !w.group.ListOnly && probe.Before(next) {
			until = probe
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(until)):
		}
	}
	return false
}

// listOnce polls, and says when to do it again.
func (w *Informer) listOnce(ctx context.Context) (wait time.Duration, forbidden bool) {
	switch err := w.poll(ctx); {
	case ctx.Err() != nil:
	case err == nil && !w.group.ListOnly:
		w.group.OnListing(w.Target)
	case err == nil:
	case apierrors.IsForbidden(err):
		w.set(nil, false, false, true)
		w.failed(err)
		return 0, true
	default:
		w.failed(err)
		return min(w.group.ListEvery, listRetry), false
	}
	return w.group.ListEvery, false
}

// poll lists once, puts the result in the place of the cache, and tells what is other than before.
func (w *Informer) poll(ctx context.Context) error {
	known := w.group.Unobserved(w.Target) // before the list: what it does not show of these is gone
	next := NewObjects()
	err := w.EachTyped(ctx, w.group.Client, func(o metav1.Object) error {
		next.Add(w.Project(o))
		return nil
	})
	if err != nil {
		return err
	}
	w.mu.RLock()
	before, initial := w.store, !w.synced
	w.mu.RUnlock()
	if before == nil {
		before = NewObjects()
	}
	w.set(next, false, true, false)
	for _, obj := range next.List() {
		w.OnEvent(Event{Old: before.Get(kube.NameOf(obj)), New: obj, Initial: initial})
	}
	// An object can come and go between two lists; if we wrote it, we would believe in it for ever.
	last := map[cache.ObjectName]cluster.Object{}
	for _, obj := range before.List() {
		last[kube.NameOf(obj)] = obj
	}
	for _, obj := range known {
		if old := last[kube.NameOf(obj)]; old == nil || old.GetUID() != obj.GetUID() {
			last[kube.NameOf(obj)] = obj
		}
	}
	for name, obj := range last {
		if next.Get(name) == nil {
			w.OnEvent(Event{Old: obj})
		}
	}
	return nil
}

// mayWatch asks for a watch that ends at once.
func (w *Informer) mayWatch(ctx context.Context) bool {
	second := int64(1)
	stream, err := w.In(w.group.Client).Watch(ctx, metav1.ListOptions{FieldSelector: w.Selector().String(), TimeoutSeconds: &second})
	if err != nil {
		return false
	}
	stream.Stop()
	return true
}
