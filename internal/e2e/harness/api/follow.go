package api

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
)

// Follow watches what a client reads and the selectors choose, until ctx ends, and returns once all that is there was noted. note
// is called for one object at a time; gone says that the object is what was there last. What only repeats a version is not noted.
func Follow(ctx context.Context, of dynamic.ResourceInterface, selectors metav1.ListOptions, note func(u *unstructured.Unstructured, gone bool)) {
	chosen := func(o metav1.ListOptions) metav1.ListOptions {
		o.LabelSelector, o.FieldSelector = selectors.LabelSelector, selectors.FieldSelector
		return o
	}
	see := func(o any, gone bool) {
		if last, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = last.Obj
		}
		if u, ok := o.(*unstructured.Unstructured); ok {
			note(u, gone)
		}
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: &cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				return of.List(ctx, chosen(o))
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
				return of.Watch(ctx, chosen(o))
			},
		},
		ObjectType: &unstructured.Unstructured{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc: func(o any) { see(o, false) },
			UpdateFunc: func(before, o any) {
				if before.(*unstructured.Unstructured).GetResourceVersion() != o.(*unstructured.Unstructured).GetResourceVersion() {
					see(o, false)
				}
			},
			DeleteFunc: func(o any) { see(o, true) },
		},
	})
	go informer.RunWithContext(ctx)
	cache.WaitForCacheSync(ctx.Done(), informer.HasSynced)
}
