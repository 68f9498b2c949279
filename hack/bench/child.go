package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// bareLoop is what the floor is measured with: the writes, and nothing that decides.
type bareLoop struct {
	workers   int
	copies    int    // copies in each namespace, and names in a list
	from      int    // the first copy that is written; those before it are there
	password  string // in the credentials
	accounts  bool   // write the service accounts too
	informers bool   // keep the caches that a controller needs
}

// args are the flags with which another process of this program becomes the loop.
func (b bareLoop) args() []string {
	return []string{
		"-loop", fmt.Sprintf("-loop-workers=%d", b.workers),
		fmt.Sprintf("-loop-copies=%d", b.copies), fmt.Sprintf("-loop-from=%d", b.from), "-loop-password=" + b.password,
		fmt.Sprintf("-loop-accounts=%t", b.accounts), fmt.Sprintf("-loop-informers=%t", b.informers),
	}
}

// run is the child's side: it gets ready, says so, waits for a line, writes, says so, and waits for another line.
func (b bareLoop) run(l *lab) error {
	client, err := dynamic.NewForConfig(l.rest)
	if err != nil {
		return err
	}
	live, err := l.accountsByNamespace()
	if err != nil {
		return err
	}
	if b.informers {
		b.inform(l)
	}
	in := bufio.NewScanner(os.Stdin)
	fmt.Println("ready")
	in.Scan()
	if err := l.parallel(b.workers, l.names, func(ns string) error { return b.write(l, client, ns, live[ns]) }); err != nil {
		return err
	}
	fmt.Println("done")
	in.Scan()
	return nil
}

// write makes one namespace complete: one server-side apply for each account and one for each copy.
func (b bareLoop) write(l *lab, client dynamic.Interface, ns string, live []*unstructured.Unstructured) error {
	// As pullsecrets asks: without field validation, for which the API server would parse each object again.
	options := metav1.PatchOptions{FieldManager: "pullsecrets", Force: new(true), FieldValidation: metav1.FieldValidationIgnore}
	apply := func(resource schema.GroupVersionResource, u *unstructured.Unstructured) error {
		data, err := u.MarshalJSON()
		if err != nil {
			return err
		}
		_, err = client.Resource(resource).Namespace(ns).Patch(l.ctx, u.GetName(), types.ApplyPatchType, data, options)
		return err
	}
	for _, account := range live {
		if !b.accounts {
			break
		}
		if err := apply(api.Accounts, l.referencing(account, b.copies)); err != nil {
			return err
		}
	}
	for i := b.from; i < b.copies; i++ {
		u := copyOf(ns, fmt.Sprintf("reg-%d", i), credential(i, b.password),
			map[string]string{
				"pullsecrets/rule": fmt.Sprintf("rule-%d", i), "pullsecrets/source": fmt.Sprintf("%s/source-%d", api.Home, i),
				"pullsecrets/for": api.Home + "/" + ns,
			})
		if err := apply(api.Secrets, u); err != nil {
			return err
		}
	}
	return nil
}

// content is what the loop writes into the copies; nothing for those that it does not write.
func (b bareLoop) content() func(i int) string {
	return encoded(func(i int) string {
		if i < b.from {
			return ""
		}
		return credential(i, b.password)
	})
}

// distribute writes what the loop writes, when nothing is measured.
func (l *lab) distribute(b bareLoop) error {
	live, err := l.accountsByNamespace()
	if err != nil {
		return err
	}
	return l.parallel(16, l.names, func(ns string) error { return b.write(l, l.client, ns, live[ns]) })
}

// inform follows namespaces, accounts and copies, and keeps of each object what tells one version from another.
func (b bareLoop) inform(l *lab) {
	var synced sync.WaitGroup
	follow := func(resource schema.GroupVersionResource, selector string) {
		client := l.client.Resource(resource)
		_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
			ListerWatcher: cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
				ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
					o.FieldSelector = selector
					return client.List(ctx, o)
				},
				WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
					o.FieldSelector = selector
					return client.Watch(ctx, o)
				},
			}, l.client),
			ObjectType: &unstructured.Unstructured{},
			Transform: func(obj any) (any, error) {
				u, ok := obj.(*unstructured.Unstructured)
				if !ok {
					return obj, nil
				}
				return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
					Namespace: u.GetNamespace(), Name: u.GetName(), ResourceVersion: u.GetResourceVersion(),
				}}, nil
			},
			Handler: cache.ResourceEventHandlerFuncs{},
		})
		go informer.RunWithContext(l.ctx)
		synced.Go(func() { cache.WaitForCacheSync(l.ctx.Done(), informer.HasSynced) })
	}
	follow(api.Namespaces, "")
	follow(api.Accounts, "")
	for _, name := range l.copyNames(b.copies) {
		follow(api.Secrets, "metadata.name="+name)
	}
	synced.Wait()
	time.Sleep(100 * time.Millisecond) // the bookmarks have gone by
}
