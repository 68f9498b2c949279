package kube

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// checkedClient is a dynamic client that reads the answer to a deletion. That of client-go looks at the status code alone, and a
// copy that a proxy said was deleted would be taken for gone until its next event.
type checkedClient struct {
	dynamic.Interface
	rest rest.Interface
}

// Resource is part of dynamic.Interface.
func (c checkedClient) Resource(resource schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	return checkedResource{c.Interface.Resource(resource), requests{c.rest, resource, ""}}
}

type checkedResource struct {
	dynamic.NamespaceableResourceInterface
	requests
}

// Namespace is part of dynamic.NamespaceableResourceInterface.
func (r checkedResource) Namespace(namespace string) dynamic.ResourceInterface {
	return checkedIn{r.NamespaceableResourceInterface.Namespace(namespace), requests{r.rest, r.resource, namespace}}
}

// Delete is part of dynamic.ResourceInterface.
func (r checkedResource) Delete(ctx context.Context, name string, opts metav1.DeleteOptions, subresources ...string) error {
	return r.delete(ctx, name, opts, subresources...)
}

type checkedIn struct {
	dynamic.ResourceInterface
	requests
}

// Delete is part of dynamic.ResourceInterface.
func (r checkedIn) Delete(ctx context.Context, name string, opts metav1.DeleteOptions, subresources ...string) error {
	return r.delete(ctx, name, opts, subresources...)
}

// errNotDeleted is said of what a proxy answers in place of the API server: nothing says that anything was deleted.
const errNotDeleted = Plain("the answer to a deletion does not say that the object is deleted")

// delete sends what a dynamic client sends.
func (r requests) delete(ctx context.Context, name string, opts metav1.DeleteOptions, subresources ...string) error {
	path, err := r.path(append([]string{name}, subresources...)...)
	if err != nil {
		return err
	}
	answer, err := decoded(r.rest.Delete().AbsPath(path...).Body(&opts).Do(ctx), errNotDeleted)
	if NotFoundElsewhere(err) && r.resource.Group == "" { // core resources are always served
		return errNotDeleted
	}
	if err != nil {
		return err
	}
	// The API server answers with a status, or with the object: where a finalizer keeps it, and of some resources always.
	if _, ok := answer.(*metav1.Status); ok {
		return nil // of a success, another one is an error
	}
	obj, ok := answer.(metav1.Object)
	if !ok || obj.GetName() != name || obj.GetNamespace() != r.namespace {
		return errNotDeleted
	}
	if obj.GetDeletionTimestamp() == nil && (r.resource == Secrets || r.resource == AdmissionRules) { // which are not among these
		return errNotDeleted
	}
	if must := opts.Preconditions; must != nil && must.UID != nil && obj.GetUID() != *must.UID {
		return errNotDeleted
	}
	return nil
}
