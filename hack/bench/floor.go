package main

import (
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
)

// floorWorkers are tried, and the best of them is the floor.
var floorWorkers = []int{8, 16, 32}

// floor is how long the bare writes take: one server-side apply for each account and one for each copy.
func (l *lab) floor(workers int, n int, content func(i int) string, withAccounts bool) (time.Duration, error) {
	if err := l.reset(l.copyNames(n)...); err != nil {
		return 0, err
	}
	return l.bare(workers, n, content, withAccounts)
}

// bare sends the writes. What an account's write has to name is read before the clock starts.
func (l *lab) bare(workers, n int, content func(i int) string, withAccounts bool) (time.Duration, error) {
	client, err := dynamic.NewForConfig(l.rest) // its own connection
	if err != nil {
		return 0, err
	}
	live, err := l.accountsByNamespace()
	if err != nil {
		return 0, err
	}
	w := l.witness(l.copyNames(n))
	defer w.cancel()
	force := metav1.ApplyOptions{FieldManager: "pullsecrets", Force: true}
	var failed error
	var once sync.Once
	started := time.Now()
	go func() {
		err := l.parallel(workers, l.names, func(ns string) error {
			for _, account := range live[ns] {
				if !withAccounts {
					break
				}
				if _, err := client.Resource(accounts).Namespace(ns).Apply(l.ctx, account.GetName(), l.referencing(account, n), force); err != nil {
					return err
				}
			}
			for i := range n {
				u := copyOf(ns, fmt.Sprintf("reg-%d", i), content(i),
					map[string]string{"pullsecrets/rule": fmt.Sprintf("rule-%d", i), "pullsecrets/source": fmt.Sprintf("%s/source-%d", home, i)})
				if _, err := client.Resource(secrets).Namespace(ns).Apply(l.ctx, u.GetName(), u, force); err != nil {
					return err
				}
			}
			return nil
		})
		once.Do(func() { failed = err })
	}()
	ended, err := w.until(w.all(l.names, n, encoded(content)))
	once.Do(func() {})
	if failed != nil {
		err = failed
	}
	return ended.Sub(started), err
}

func (l *lab) referencing(account *unstructured.Unstructured, n int) *unstructured.Unstructured {
	var list []any
	added := ""
	for i, name := range l.copyNames(n) {
		list = append(list, map[string]any{"name": name})
		if i > 0 {
			added += ","
		}
		added += name
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ServiceAccount", "imagePullSecrets": list,
		"metadata": map[string]any{
			"name": account.GetName(), "namespace": account.GetNamespace(), "uid": string(account.GetUID()),
			"resourceVersion": account.GetResourceVersion(), "annotations": map[string]any{"pullsecrets/added": added},
		},
	}}
}

func (l *lab) accountsByNamespace() (map[string][]*unstructured.Unstructured, error) {
	list, err := l.client.Resource(accounts).List(l.ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	out := map[string][]*unstructured.Unstructured{}
	for i := range list.Items {
		u := &list.Items[i]
		out[u.GetNamespace()] = append(out[u.GetNamespace()], u)
	}
	return out, nil
}
