package inspect

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// lookup reads single objects, and all of a kind in a namespace: of a live cluster, or of a dump.
type lookup interface {
	// get returns an error of the API for what is not there, or may not be read.
	get(resource schema.GroupVersionResource, key types.NamespacedName) (*unstructured.Unstructured, error)
	// each may be told by a field selector what else f will leave out, so that less is read.
	each(resource schema.GroupVersionResource, namespace, selector string, f func(*unstructured.Unstructured) error) error
}

type liveLookup struct {
	ctx    context.Context
	client dynamic.Interface
}

func (l liveLookup) get(resource schema.GroupVersionResource, key types.NamespacedName) (*unstructured.Unstructured, error) {
	return kube.Target{Resource: resource, Namespace: key.Namespace}.In(l.client).Get(l.ctx, key.Name, metav1.GetOptions{})
}

func (l liveLookup) each(resource schema.GroupVersionResource, namespace, selector string, f func(*unstructured.Unstructured) error) error {
	return kube.Target{Resource: resource, Namespace: namespace}.Each(l.ctx, l.client, metav1.ListOptions{FieldSelector: selector}, f)
}

// dumpLookup finds the objects of a dump.
type dumpLookup []*unstructured.Unstructured

// dumpKinds are the kinds of a dump that are looked up.
var dumpKinds = map[schema.GroupVersionResource]string{
	kube.Namespaces: "Namespace", kube.ServiceAccounts: "ServiceAccount", kube.Secrets: "Secret", kube.ConfigMaps: "ConfigMap", kube.Pods: "Pod", kube.Events: "Event",
	kube.Deployments: "Deployment", kube.StatefulSets: "StatefulSet", kube.DaemonSets: "DaemonSet", kube.ReplicaSets: "ReplicaSet", kube.Jobs: "Job", kube.CronJobs: "CronJob", kube.ReplicationControllers: "ReplicationController",
}

func (d dumpLookup) get(resource schema.GroupVersionResource, key types.NamespacedName) (*unstructured.Unstructured, error) {
	for _, u := range d {
		if u.GetKind() == dumpKinds[resource] && u.GetNamespace() == key.Namespace && u.GetName() == key.Name {
			return u, nil
		}
	}
	return nil, apierrors.NewNotFound(resource.GroupResource(), key.Name)
}

func (d dumpLookup) each(resource schema.GroupVersionResource, namespace, _ string, f func(*unstructured.Unstructured) error) error {
	for _, u := range d {
		if u.GetKind() == dumpKinds[resource] && u.GetNamespace() == namespace {
			if err := f(u); err != nil {
				return err
			}
		}
	}
	return nil
}
