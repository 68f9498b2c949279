package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// live returns the parameters that exist, by name.
func (a *admission) live() map[string]*parameter {
	out := map[string]*parameter{}
	for _, obj := range a.c.watches.admission.all() {
		p := obj.(*parameter)
		out[p.Name] = p
	}
	return out
}

// parameter is what is remembered of an AdmissionRule.
type parameter struct {
	cluster.Meta
	spec  any
	names []string
	ours  bool // somebody may keep others in git
}

func newParameter(u *unstructured.Unstructured) *parameter {
	p := &parameter{
		Meta: cluster.Meta{Namespace: u.GetNamespace(), Name: u.GetName(), UID: u.GetUID(), ResourceVersion: u.GetResourceVersion()},
		spec: u.Object["spec"],
		ours: u.GetLabels()[cluster.LabelManagedBy] == cluster.FieldManager ||
			slices.ContainsFunc(u.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool {
				return e.Manager == cluster.FieldManager && e.Operation == metav1.ManagedFieldsOperationApply
			}),
	}
	names, _, _ := unstructured.NestedSlice(u.Object, "spec", "names")
	for _, n := range names {
		if entry, ok := n.(map[string]any); ok && entry["add"] == true { // else it is promised in some namespaces only
			name, _ := entry["name"].(string)
			p.names = append(p.names, name)
		}
	}
	return p
}

// deleteParameters deletes all parameters, for purge: while they are there, the API server puts back what is removed.
func deleteParameters(ctx context.Context, c *Controller) error {
	var errs []string
	err := kube.Target{Resource: kube.AdmissionRules, Namespace: c.Namespace}.Each(ctx, c.Client, metav1.ListOptions{}, func(u *unstructured.Unstructured) error {
		if err := c.api.Delete(ctx, kube.AdmissionRules, u); err != nil {
			errs = append(errs, u.GetName()+": "+kube.Redact(err))
		}
		return nil
	})
	switch {
	case apierrors.IsNotFound(err), err == nil && len(errs) == 0:
		return nil
	case err != nil:
		return fmt.Errorf("list the admission parameters: %s", kube.Redact(err))
	}
	return fmt.Errorf("delete the admission parameters: %s", strings.Join(errs, "; "))
}
