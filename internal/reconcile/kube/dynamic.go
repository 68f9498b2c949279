package kube

import (
	"context"
	"net/http"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// NewDynamic returns a dynamic client whose watches of namespaces, service accounts, secrets and ConfigMaps ask for protobuf, and then
// have objects of the types of k8s.io/api/core/v1. Where the API server or a proxy answers in JSON, and of all other resources, they
// are unstructured, as all that is listed, read or written.
//
// An event in protobuf is decoded in a tenth of the time, see BenchmarkEvent, and the API server encodes it once for all who watch in
// one encoding: the cluster's own controllers and the kubelets watch in this one.
func NewDynamic(config *rest.Config) (dynamic.Interface, error) {
	config = dynamic.ConfigFor(config)
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	json := decodedOnce(config.NegotiatedSerializer)
	all, err := newDynamic(config, client, json, runtime.ContentTypeJSON)
	if err != nil {
		return nil, err
	}
	watches, err := newDynamic(config, client, json.typed(), runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON)
	return typedWatches{all, watches}, err
}

// newDynamic returns a dynamic client with these codecs, and what it accepts.
func newDynamic(config *rest.Config, client *http.Client, codecs codecs, accept string) (dynamic.Interface, error) {
	config = rest.CopyConfig(config)
	config.NegotiatedSerializer, config.AcceptContentTypes = codecs, accept
	config.GroupVersion, config.APIPath = nil, "/" // a dynamic client gives whole paths
	rest, err := rest.UnversionedRESTClientForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	return dynamic.New(rest), nil
}

// typedResources are those whose types the codecs know.
var typedResources = []schema.GroupVersionResource{Namespaces, ServiceAccounts, Secrets, ConfigMaps}

// typedWatches is a dynamic client with the watches of another one.
type typedWatches struct {
	dynamic.Interface
	watches dynamic.Interface
}

// Resource is part of dynamic.Interface.
func (c typedWatches) Resource(resource schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	if !slices.Contains(typedResources, resource) {
		return c.Interface.Resource(resource)
	}
	return typedResource{c.Interface.Resource(resource), c.watches.Resource(resource)}
}

type typedResource struct {
	dynamic.NamespaceableResourceInterface
	watches dynamic.NamespaceableResourceInterface
}

// Namespace is part of dynamic.NamespaceableResourceInterface.
func (r typedResource) Namespace(namespace string) dynamic.ResourceInterface {
	return typedIn{r.NamespaceableResourceInterface.Namespace(namespace), r.watches.Namespace(namespace)}
}

// Watch is part of dynamic.ResourceInterface.
func (r typedResource) Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	return r.watches.Watch(ctx, opts)
}

type typedIn struct {
	dynamic.ResourceInterface
	watches dynamic.ResourceInterface
}

// Watch is part of dynamic.ResourceInterface.
func (r typedIn) Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	return r.watches.Watch(ctx, opts)
}
