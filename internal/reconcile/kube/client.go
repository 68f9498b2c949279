package kube

import (
	"context"
	"encoding/json"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/csaupgrade"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// Client is all that is ever asked of the API server besides watching. Every write names our field manager. What it returns is of its
// type where List has that.
type Client interface {
	// Apply writes by server-side apply and returns the object as it is then.
	Apply(ctx context.Context, resource schema.GroupVersionResource, obj *unstructured.Unstructured, force bool) (metav1.Object, error)
	// Delete deletes exactly this version of this object. One that is gone already is no error.
	Delete(ctx context.Context, resource schema.GroupVersionResource, obj cluster.Object) error
	// ReleaseOwnership removes our managedFields entry from an object, and our ledger if it is empty.
	ReleaseOwnership(ctx context.Context, resource schema.GroupVersionResource, obj metav1.Object) (metav1.Object, error)
	// Touch writes this version of a service account as it is, so that admission sees it.
	Touch(ctx context.Context, account *unstructured.Unstructured) (metav1.Object, error)
	// TakeOwnership makes ours what other managers own of an object by updates, and returns the object as it is then.
	TakeOwnership(ctx context.Context, resource schema.GroupVersionResource, obj *unstructured.Unstructured, from sets.Set[string]) (metav1.Object, error)
	// TryApply returns what an object would be after Apply, and writes nothing.
	TryApply(ctx context.Context, resource schema.GroupVersionResource, obj *unstructured.Unstructured) (*unstructured.Unstructured, error)
	// Get reads an object.
	Get(ctx context.Context, resource schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, error)
}

// MustNotExist is the resourceVersion of an object that must not exist. The API server refuses an apply that names another
// version than the live object's, and ignores the version where there is no object. No object ever has the version 1.
const MustNotExist = "1"

// New returns a client over the dynamic client.
func New(client dynamic.Interface) Client { return dynamicClient{client} }

type dynamicClient struct{ client dynamic.Interface }

func (a dynamicClient) Apply(ctx context.Context, resource schema.GroupVersionResource, obj *unstructured.Unstructured, force bool) (metav1.Object, error) {
	data, o, err := applied(obj, metav1.PatchOptions{Force: &force})
	if err != nil {
		return nil, err
	}
	return a.write(ctx, resource, obj, types.ApplyPatchType, data, o)
}

func (a dynamicClient) TryApply(ctx context.Context, resource schema.GroupVersionResource, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	force := true
	data, o, err := applied(obj, metav1.PatchOptions{Force: &force, DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return nil, err
	}
	return a.client.Resource(resource).Namespace(obj.GetNamespace()).Patch(ctx, obj.GetName(), types.ApplyPatchType, data, o)
}

// applied returns what an apply sends. It asks for no field validation: for it the API server would parse each object a second
// time, and what is sent has no field that could be unknown.
func applied(obj *unstructured.Unstructured, o metav1.PatchOptions) ([]byte, metav1.PatchOptions, error) {
	data, err := obj.MarshalJSON()
	o.FieldManager, o.FieldValidation = cluster.FieldManager, metav1.FieldValidationIgnore
	return data, o, err
}

func (a dynamicClient) Delete(ctx context.Context, resource schema.GroupVersionResource, obj cluster.Object) error {
	uid, version := obj.GetUID(), obj.GetResourceVersion()
	err := a.client.Resource(resource).Namespace(obj.GetNamespace()).Delete(ctx, obj.GetName(), metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version},
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (a dynamicClient) ReleaseOwnership(ctx context.Context, resource schema.GroupVersionResource, obj metav1.Object) (metav1.Object, error) {
	data, err := releasePatch(obj)
	if err != nil || data == nil {
		return obj, err
	}
	return a.write(ctx, resource, obj, types.JSONPatchType, data, metav1.PatchOptions{FieldManager: cluster.FieldManager})
}

func (a dynamicClient) Touch(ctx context.Context, account *unstructured.Unstructured) (metav1.Object, error) {
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": account.GetUID(), "resourceVersion": account.GetResourceVersion()}})
	if err != nil {
		return nil, err
	}
	return a.write(ctx, ServiceAccounts, account, types.MergePatchType, data, metav1.PatchOptions{FieldManager: cluster.FieldManager})
}

func (a dynamicClient) TakeOwnership(ctx context.Context, resource schema.GroupVersionResource, obj *unstructured.Unstructured, from sets.Set[string]) (metav1.Object, error) {
	data, err := csaupgrade.UpgradeManagedFieldsPatch(obj, from, cluster.FieldManager)
	if err != nil || data == nil {
		return obj, err
	}
	return a.write(ctx, resource, obj, types.JSONPatchType, data, metav1.PatchOptions{FieldManager: cluster.FieldManager})
}

func (a dynamicClient) Get(ctx context.Context, resource schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, error) {
	return a.client.Resource(resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
}
