package cases

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	admissionRules    = schema.GroupVersionResource{Group: "pullsecrets.internal", Version: "v1alpha1", Resource: "admissionrules"}
	admissionPolicies = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingadmissionpolicies"}
	admissionBindings = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingadmissionpolicybindings"}
	definitions       = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// component applies kustomize/components/admission until the test ends, with failurePolicy Fail: Ignore would hide a
// mistake.
func (c *Cluster) component(ctx context.Context) {
	c.T.Helper()
	c.T.Cleanup(func() { c.removeComponent(context.WithoutCancel(ctx)) })
	text, err := c.Kubectl("", "kustomize", c.root+"/kustomize/components/admission")
	must(c.T, err)
	for _, u := range Objects(c.T, text) {
		resource := map[string]schema.GroupVersionResource{
			"CustomResourceDefinition": definitions, "MutatingAdmissionPolicy": admissionPolicies,
			"MutatingAdmissionPolicyBinding": admissionBindings,
		}[u.GetKind()]
		if u.GetKind() == "MutatingAdmissionPolicy" {
			must(c.T, unstructured.SetNestedField(u.Object, "Fail", "spec", "failurePolicy"))
		}
		c.eventually(u.GetKind()+" is applied", func() error { // one that is still going is a conflict
			_, err := c.Client.Resource(resource).Apply(ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "gitops", Force: true})
			return err
		})
	}
	c.eventually("the parameters can be listed", func() error {
		_, err := c.Client.Resource(admissionRules).Namespace(Home).List(ctx, metav1.ListOptions{})
		return err
	})
}

func (c *Cluster) removeComponent(ctx context.Context) {
	for _, gone := range []struct {
		resource schema.GroupVersionResource
		name     string
	}{{admissionBindings, "pullsecrets"}, {admissionBindings, "pullsecrets-pods"}, {admissionPolicies, "pullsecrets"},
		{admissionPolicies, "pullsecrets-pods"}, {definitions, "admissionrules.pullsecrets.internal"}} {
		c.eventually(gone.resource.Resource+" are gone", func() error {
			err := c.Client.Resource(gone.resource).Delete(ctx, gone.name, metav1.DeleteOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("not yet: %w", err)
		})
	}
}

// promised waits until the API server gives new accounts in a namespace these names.
func (c *Cluster) promised(ctx context.Context, ns string, names []string) {
	c.T.Helper()
	c.eventually(fmt.Sprintf("new accounts in %s are born with %v", ns, names), func() error {
		u, err := c.Client.Resource(accounts).Namespace(ns).Create(ctx, Object("v1", "ServiceAccount", ns, "probe"),
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			return err
		}
		if got := listOf(u); !slices.Equal(got, names) {
			return fmt.Errorf("with %v", got)
		}
		return nil
	})
}
