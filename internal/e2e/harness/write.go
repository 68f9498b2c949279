package harness

import (
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// Namespace creates a namespace with labels (key=value) and waits for its default service account.
func (s *Sandbox) Namespace(short string, labels ...string) string {
	s.T.Helper()
	ns := api.Object("v1", "Namespace", "", s.Name(short))
	ns.SetLabels(api.Pairs(labels))
	_, err := s.Client.Resource(api.Namespaces).Create(s.Ctx, ns, metav1.CreateOptions{})
	Must(s.T, err)
	s.Eventually("the default service account is born", func() error {
		_, err := s.Client.Resource(api.Accounts).Namespace(ns.GetName()).Get(s.Ctx, "default", metav1.GetOptions{})
		return err
	})
	return ns.GetName()
}

// Account creates a service account with labels (key=value).
func (s *Sandbox) Account(ns, name string, labels ...string) {
	s.T.Helper()
	sa := api.Object("v1", "ServiceAccount", ns, name)
	sa.SetLabels(api.Pairs(labels))
	s.Create(api.Accounts, sa)
}

// Pod creates a pod, which gets the pull secrets of its service account if it names none.
func (s *Sandbox) Pod(ns, name, account string, pullSecrets ...string) {
	s.T.Helper()
	u := api.Object("v1", "Pod", ns, name)
	u.Object["spec"] = map[string]any{
		"serviceAccountName": account,
		"containers":         []any{map[string]any{"name": "c", "image": "hub.example/x"}},
	}
	var list []any
	for _, p := range pullSecrets {
		list = append(list, map[string]any{"name": p})
	}
	if list != nil {
		u.Object["spec"].(map[string]any)["imagePullSecrets"] = list
	}
	s.Create(api.Pods, u)
}

// Source creates or rotates a source in the controller's namespace.
func (s *Sandbox) Source(name, content string) {
	s.T.Helper()
	_, err := s.Client.Resource(api.Secrets).Namespace(api.Home).Apply(s.Ctx, name, api.Secret(api.Home, name, content),
		metav1.ApplyOptions{FieldManager: "somebody", Force: true})
	Must(s.T, err)
}

// Create writes an object as somebody else.
func (c *Cluster) Create(resource schema.GroupVersionResource, u *unstructured.Unstructured) *unstructured.Unstructured {
	c.T.Helper()
	out, err := c.Client.Resource(resource).Namespace(u.GetNamespace()).Create(c.Ctx, u, metav1.CreateOptions{FieldManager: "somebody"})
	Must(c.T, err)
	return out
}

// Get reads an object that is there.
func (c *Cluster) Get(resource schema.GroupVersionResource, ns, name string) *unstructured.Unstructured {
	c.T.Helper()
	u, err := c.Client.Resource(resource).Namespace(ns).Get(c.Ctx, name, metav1.GetOptions{})
	Must(c.T, err)
	return u
}

// Merge patches an object as somebody else.
func (c *Cluster) Merge(resource schema.GroupVersionResource, ns, name, patch string) *unstructured.Unstructured {
	c.T.Helper()
	var scoped dynamic.ResourceInterface = c.Client.Resource(resource)
	if ns != "" {
		scoped = c.Client.Resource(resource).Namespace(ns)
	}
	u, err := scoped.Patch(c.Ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	Must(c.T, err)
	return u
}

// Delete deletes an object.
func (c *Cluster) Delete(resource schema.GroupVersionResource, ns, name string) {
	c.T.Helper()
	Must(c.T, c.Client.Resource(resource).Namespace(ns).Delete(c.Ctx, name, metav1.DeleteOptions{}))
}

// Remove deletes an object that is in no namespace, if it is there.
func (c *Cluster) Remove(resource schema.GroupVersionResource, name string) {
	c.T.Helper()
	if err := c.Client.Resource(resource).Delete(c.Ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		c.T.Error(err)
	}
}

// Manifest applies an object until the test ends.
func (c *Cluster) Manifest(u *unstructured.Unstructured) {
	c.T.Helper()
	gvk := u.GroupVersionKind()
	plural := strings.ToLower(gvk.Kind) + "s"
	if stem, ok := strings.CutSuffix(plural, "ys"); ok {
		plural = stem + "ies"
	}
	resource := gvk.GroupVersion().WithResource(plural)
	var scoped dynamic.ResourceInterface = c.Client.Resource(resource)
	if u.GetNamespace() != "" {
		scoped = c.Client.Resource(resource).Namespace(u.GetNamespace())
	}
	_, err := scoped.Apply(c.Ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
	Must(c.T, err)
	c.T.Cleanup(func() { _ = scoped.Delete(c.Ctx, u.GetName(), metav1.DeleteOptions{}) })
}
