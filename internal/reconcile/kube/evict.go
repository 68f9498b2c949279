package kube

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// Evict asks the API server to evict exactly this version of this pod: one that began to run in the meantime stays. It is no part of
// Client, because the controller evicts nothing.
func Evict(ctx context.Context, client dynamic.Interface, pod cluster.Object) error {
	eviction := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "policy/v1", "kind": "Eviction",
		"metadata": map[string]any{"namespace": pod.GetNamespace(), "name": pod.GetName()},
		"deleteOptions": map[string]any{"preconditions": map[string]any{
			"uid": string(pod.GetUID()), "resourceVersion": pod.GetResourceVersion(),
		}},
	}}
	_, err := client.Resource(Pods).Namespace(pod.GetNamespace()).
		Create(ctx, eviction, metav1.CreateOptions{FieldManager: cluster.FieldManager}, "eviction")
	return err
}
