package kube

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/pager"
)

// The resources that are read, watched or written.
var (
	Namespaces             = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	ServiceAccounts        = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	Secrets                = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	ConfigMaps             = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	Pods                   = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	Events                 = schema.GroupVersionResource{Version: "v1", Resource: "events"}
	Deployments            = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	StatefulSets           = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}
	DaemonSets             = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"}
	ReplicaSets            = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
	ReplicationControllers = schema.GroupVersionResource{Version: "v1", Resource: "replicationcontrollers"}
	Jobs                   = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	CronJobs               = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "cronjobs"}
	AdmissionRules         = schema.GroupVersionResource{Group: "pullsecrets.internal", Version: "v1alpha1", Resource: "admissionrules"}
)

// Target is what one list or watch is about: all objects of a resource, those of a namespace, or those of one name.
type Target struct {
	Resource  schema.GroupVersionResource
	Namespace string // empty: all
	Name      string // empty: all; otherwise the request is authorised by this name alone
	Phase     string // of a pod; empty: any
	Type      string // of a secret; empty: any
}

func (t Target) String() string {
	text := t.Resource.Resource
	if t.Phase != "" {
		text = t.Phase + " " + text
	}
	if t.Type != "" {
		text += " of type " + t.Type
	}
	if t.Name != "" {
		text += " named " + t.Name
	}
	if t.Namespace != "" {
		return text + " in namespace " + t.Namespace
	}
	return text + " in all namespaces"
}

// In returns the target's resource, in its namespace if it has one.
func (t Target) In(client dynamic.Interface) dynamic.ResourceInterface {
	if t.Namespace != "" {
		return client.Resource(t.Resource).Namespace(t.Namespace)
	}
	return client.Resource(t.Resource)
}

func (t Target) Selector() fields.Selector {
	selected := fields.Set{}
	if t.Name != "" {
		selected["metadata.name"] = t.Name
	}
	if t.Phase != "" {
		selected["status.phase"] = t.Phase
	}
	if t.Type != "" {
		selected["type"] = t.Type
	}
	return fields.SelectorFromSet(selected)
}

// Each lists a target in pages, of it what the options select besides, and calls f for each object.
func (t Target) Each(ctx context.Context, client dynamic.Interface, opts metav1.ListOptions, f func(*unstructured.Unstructured) error) error {
	resource := t.In(client)
	return each(ctx, t, opts, f, func(opts metav1.ListOptions) (runtime.Object, error) {
		list, err := resource.List(ctx, opts)
		if err != nil {
			return nil, err
		}
		return versioned(list)
	})
}

// EachTyped is Each, and f gets objects of their types where List has them.
func (t Target) EachTyped(ctx context.Context, client dynamic.Interface, f func(metav1.Object) error) error {
	resource := t.In(client)
	return each(ctx, t, metav1.ListOptions{}, f, func(opts metav1.ListOptions) (runtime.Object, error) { return List(ctx, resource, opts) })
}

func each[T any](ctx context.Context, t Target, opts metav1.ListOptions, f func(T) error, list func(metav1.ListOptions) (runtime.Object, error)) error {
	opts.FieldSelector = strings.Trim(opts.FieldSelector+","+t.Selector().String(), ",")
	return pager.New(pager.SimplePageFunc(list)).EachListItem(ctx, opts, func(obj runtime.Object) error {
		o, ok := obj.(T)
		if !ok {
			return fmt.Errorf("%s: the list has a %T", t, obj)
		}
		return f(o)
	})
}
