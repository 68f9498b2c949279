package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// lab is the cluster that is measured on.
type lab struct {
	config
	ctx    context.Context
	rest   *rest.Config
	client dynamic.Interface
	typed  dynamic.Interface // whose watches are in protobuf
	names  []string          // namespaces
	mode   mode              // in which is measured
	bound  bool              // the admission component is installed
	idle   int               // bytes at the peak of a process that has nothing to do; measured for -only large
}

func connect(ctx context.Context, c config) (*lab, error) {
	config, client, err := api.Connect(c.kubeconfig)
	if err != nil {
		return nil, err
	}
	typed, err := kube.NewDynamic(config)
	return &lab{config: c, ctx: ctx, rest: config, client: client, typed: typed, mode: c.modes[0]}, err
}

func newLab(ctx context.Context, c config) (*lab, error) {
	l, err := connect(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := l.create(api.Namespaces, "", api.Home, nil); err != nil {
		return nil, err
	}
	if c.only == "large" {
		if l.idle, err = l.alone(); err != nil {
			return nil, err
		}
	}
	return l, l.crowd(c.unrelated)
}

// crowd fills the cluster with n secrets that are nobody's business.
func (l *lab) crowd(n int) error {
	var spaces, names []string
	for i := range min(n, 20) {
		spaces = append(spaces, fmt.Sprintf("unrelated-%02d", i))
	}
	for i := range n {
		names = append(names, fmt.Sprintf("s-%05d", i))
	}
	err := l.parallel(16, spaces, func(ns string) error { return l.create(api.Namespaces, "", ns, nil) })
	if err != nil {
		return err
	}
	data := map[string]any{"data": map[string]any{"x": base64.StdEncoding.EncodeToString(make([]byte, 8<<10))}}
	return l.parallel(16, names, func(name string) error {
		return l.create(api.Secrets, spaces[int(name[len(name)-1]-'0')%len(spaces)], name, data)
	})
}

// named has the first n namespaces by name.
func (l *lab) named(n int) {
	for i := len(l.names); i < n; i++ {
		l.names = append(l.names, fmt.Sprintf("bench-%05d", i))
	}
}

// create makes an object; one that is there is fine.
func (l *lab) create(resource schema.GroupVersionResource, namespace, name string, fields map[string]any) error {
	kinds := map[string]string{"namespaces": "Namespace", "serviceaccounts": "ServiceAccount", "secrets": "Secret", "configmaps": "ConfigMap"}
	u := api.Object("v1", kinds[resource.Resource], namespace, name)
	maps.Copy(u.Object, fields)
	_, err := l.client.Resource(resource).Namespace(namespace).Create(l.ctx, u, metav1.CreateOptions{})
	return ignore(err, apierrors.IsAlreadyExists)
}

// grow makes namespaces until there are n, each with its accounts.
func (l *lab) grow(n int) error {
	from := len(l.names)
	l.named(n)
	return l.parallel(16, l.names[from:], func(ns string) error {
		if err := l.create(api.Namespaces, "", ns, nil); err != nil {
			return err
		}
		for _, account := range l.accountNames() {
			if err := l.create(api.Accounts, ns, account, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// end deletes a namespace and what is in it. The cluster would empty it too, 5 s later and 5 in a second; where it was
// faster all the same, it does the rest.
func (l *lab) end(ns string) error {
	spaces := l.client.Resource(api.Namespaces)
	if err := spaces.Delete(l.ctx, ns, metav1.DeleteOptions{}); err != nil {
		return ignore(err, apierrors.IsNotFound)
	}
	for _, resource := range []schema.GroupVersionResource{api.Secrets, api.Accounts, api.ConfigMaps} {
		if err := l.client.Resource(resource).Namespace(ns).DeleteCollection(l.ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
			return err
		}
	}
	u, err := spaces.Get(l.ctx, ns, metav1.GetOptions{})
	if err != nil {
		return ignore(err, apierrors.IsNotFound)
	}
	unstructured.RemoveNestedField(u.Object, "spec", "finalizers")
	_, err = spaces.Update(l.ctx, u, metav1.UpdateOptions{}, "finalize")
	return ignore(ignore(err, apierrors.IsNotFound), apierrors.IsConflict)
}

// ignore is no error where it is one of that sort.
func ignore(err error, sort func(error) bool) error {
	if sort(err) {
		return nil
	}
	return err
}

func (l *lab) accountNames() (names []string) {
	names = []string{"default"}
	for i := 1; i < l.accounts; i++ {
		names = append(names, fmt.Sprintf("sa-%d", i))
	}
	return names
}

func (l *lab) copyNames(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("reg-%d", i))
	}
	return names
}

// parallel calls f for each name, several at a time, and returns the first error.
func (l *lab) parallel(workers int, names []string, f func(name string) error) error {
	return api.Parallel(workers, len(names), func(i int) error { return f(names[i]) })
}

// reset takes everything back that was distributed, by whomever.
func (l *lab) reset() error {
	if l.bound { // or the API server would put names back
		if err := l.client.Resource(parameters).Namespace(api.Home).DeleteCollection(l.ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
			return err
		}
		time.Sleep(time.Second)
	}
	copies := l.copyNames(l.secrets + 1)
	if l.baseline != "" {
		copies = append(copies, l.baselineCopy)
	}
	return l.parallel(16, l.names, func(ns string) error {
		for _, name := range copies {
			if err := l.remove(ns, name); err != nil {
				return err
			}
		}
		for _, account := range l.accountNames() {
			_, err := l.client.Resource(api.Accounts).Namespace(ns).Patch(l.ctx, account, types.MergePatchType,
				[]byte(`{"imagePullSecrets":null,"metadata":{"annotations":null,"managedFields":[{}]}}`), metav1.PatchOptions{})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// remove deletes a copy, if it is there.
func (l *lab) remove(namespace, name string) error {
	return ignore(l.client.Resource(api.Secrets).Namespace(namespace).Delete(l.ctx, name, metav1.DeleteOptions{}), apierrors.IsNotFound)
}

// clear removes policy and status.
func (l *lab) clear() error {
	for _, name := range []string{"pullsecrets-policy", "pullsecrets-status"} {
		err := l.client.Resource(api.ConfigMaps).Namespace(api.Home).Delete(l.ctx, name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

func credential(i int, password string) string {
	return fmt.Sprintf(`{"auths":{"registry-%d.example.com":{"username":"robot","password":%q,"auth":%q}}}`,
		i, password, base64.StdEncoding.EncodeToString([]byte("robot:"+password)))
}

// source writes the source of copy number i.
func (l *lab) source(i int, password string) error {
	u := copyOf(api.Home, fmt.Sprintf("source-%d", i), credential(i, password), nil)
	_, err := l.client.Resource(api.Secrets).Namespace(api.Home).Apply(l.ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "bench", Force: true})
	return err
}

func copyOf(namespace, name, content string, annotations map[string]string) *unstructured.Unstructured {
	u := api.Secret(namespace, name, content)
	if annotations != nil {
		u.SetAnnotations(annotations)
		u.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "pullsecrets"})
	}
	return u
}

// policy applies a policy of one rule for each of n secrets.
func (l *lab) policy(n int, comment string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\napiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n", comment)
	for i := range n {
		fmt.Fprintf(&b, "- name: rule-%d\n  secrets: [{source: {name: source-%d}, name: reg-%d}]\n", i, i, i)
		b.WriteString("  namespaces: {include: [\"bench-*\"]}\n  serviceAccounts: {include: [\"*\"]}\n")
		if l.mode == pods {
			b.WriteString("  attach: pods\n")
		}
	}
	u := api.Object("v1", "ConfigMap", api.Home, "pullsecrets-policy")
	u.Object["data"] = map[string]any{"policy.yaml": b.String()}
	_, err := l.client.Resource(api.ConfigMaps).Namespace(api.Home).Apply(l.ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "bench", Force: true})
	return err
}
