package kube

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// NewDynamic returns a dynamic client whose watches of namespaces, service accounts, secrets and ConfigMaps ask for protobuf, as the
// functions List and patch do of these, and then have objects of the types of k8s.io/api/core/v1. Where a proxy answers in JSON, and
// of all other resources, they are unstructured, as all that the client itself lists, reads or writes.
//
// An event in protobuf is decoded in a tenth of the time, see BenchmarkEvent, and the API server encodes it once for all who watch in
// one encoding: the cluster's own controllers and the kubelets watch in this one. A list of types takes a third to three fifths of
// the memory that maps take.
func NewDynamic(config *rest.Config) (dynamic.Interface, error) {
	config = dynamic.ConfigFor(config)
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	json := decodedOnce(config.NegotiatedSerializer)
	all, err := newREST(config, client, json, runtime.ContentTypeJSON)
	if err != nil {
		return nil, err
	}
	typed, err := newREST(config, client, json.typed(), runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON)
	if err != nil {
		return nil, err
	}
	return typedClient{dynamic.New(all), dynamic.New(typed), typed}, nil
}

// newREST returns what a dynamic client sends with, with these codecs, and what it accepts.
func newREST(config *rest.Config, client *http.Client, codecs codecs, accept string) (rest.Interface, error) {
	config = rest.CopyConfig(config)
	config.NegotiatedSerializer, config.AcceptContentTypes = codecs, accept
	config.GroupVersion, config.APIPath = nil, "/" // a dynamic client gives whole paths
	return rest.UnversionedRESTClientForConfigAndClient(config, client)
}

// typedResources are those whose types the codecs know.
var typedResources = []schema.GroupVersionResource{Namespaces, ServiceAccounts, Secrets, ConfigMaps}

// typedClient is a dynamic client with the watches of another one, and with requests of its own where answers are types.
type typedClient struct {
	dynamic.Interface
	watches dynamic.Interface
	rest    rest.Interface
}

// Resource is part of dynamic.Interface.
func (c typedClient) Resource(resource schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	if !slices.Contains(typedResources, resource) {
		return c.Interface.Resource(resource)
	}
	return typedResource{c.Interface.Resource(resource), c.watches.Resource(resource), typedRequests{c.rest, resource.Resource, ""}}
}

type typedResource struct {
	dynamic.NamespaceableResourceInterface
	watches dynamic.NamespaceableResourceInterface
	typedRequests
}

// Namespace is part of dynamic.NamespaceableResourceInterface.
func (r typedResource) Namespace(namespace string) dynamic.ResourceInterface {
	return typedIn{r.NamespaceableResourceInterface.Namespace(namespace), r.watches.Namespace(namespace), typedRequests{r.rest, r.resource, namespace}}
}

// Watch is part of dynamic.ResourceInterface.
func (r typedResource) Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	return r.watches.Watch(ctx, opts)
}

type typedIn struct {
	dynamic.ResourceInterface
	watches dynamic.ResourceInterface
	typedRequests
}

// Watch is part of dynamic.ResourceInterface.
func (r typedIn) Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	return r.watches.Watch(ctx, opts)
}

// List lists as a dynamic client does, and returns a list of types where the client is of NewDynamic and has them. dynamic.Interface
// itself can only return maps.
func List(ctx context.Context, in dynamic.ResourceInterface, opts metav1.ListOptions) (runtime.Object, error) {
	if typed, ok := in.(interface {
		list(context.Context, metav1.ListOptions) (runtime.Object, error)
	}); ok {
		return typed.list(ctx, opts)
	}
	return in.List(ctx, opts)
}

// patch patches as a dynamic client does, and returns an object as List returns a list.
func patch(ctx context.Context, in dynamic.ResourceInterface, name string, kind types.PatchType, data []byte, opts metav1.PatchOptions) (metav1.Object, error) {
	if typed, ok := in.(interface {
		patch(context.Context, string, types.PatchType, []byte, metav1.PatchOptions) (metav1.Object, error)
	}); ok {
		return typed.patch(ctx, name, kind, data, opts)
	}
	return in.Patch(ctx, name, kind, data, opts)
}

var version1 = schema.GroupVersion{Version: "v1"}

// typedRequests are about objects of a core resource, in a namespace or in all.
type typedRequests struct {
	rest                rest.Interface
	resource, namespace string
}

func (r typedRequests) list(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
	path, err := r.path()
	if err != nil {
		return nil, err
	}
	return typed(r.rest.Get().AbsPath(path...).SpecificallyVersionedParams(&opts, metav1.ParameterCodec, version1).Do(ctx), &unstructured.UnstructuredList{})
}

func (r typedRequests) patch(ctx context.Context, name string, kind types.PatchType, data []byte, opts metav1.PatchOptions) (metav1.Object, error) {
	path, err := r.path(name)
	if err != nil {
		return nil, err
	}
	out, err := typed(r.rest.Patch(kind).AbsPath(path...).Body(data).SpecificallyVersionedParams(&opts, metav1.ParameterCodec, version1).Do(ctx), &unstructured.Unstructured{})
	if err != nil {
		return nil, err
	}
	obj, ok := out.(metav1.Object)
	if !ok {
		return nil, errOtherAnswer
	}
	return obj, nil
}

// path is that of the resource, or of what else is named.
func (r typedRequests) path(name ...string) ([]string, error) {
	path := []string{"api", "v1", r.resource}
	if r.namespace != "" {
		path = []string{"api", "v1", "namespaces", r.namespace, r.resource}
	}
	path = append(path, name...)
	for _, part := range path {
		if wrong := rest.IsValidPathSegmentName(part); part == "" || len(wrong) > 0 {
			return nil, fmt.Errorf("invalid name %q in a request's path: %v", part, wrong)
		}
	}
	return path, nil
}

// typed returns what an answer has: of its type where it is in protobuf, otherwise decoded into untyped.
func typed(answer rest.Result, untyped runtime.Object) (runtime.Object, error) {
	contentType := ""
	answer.ContentType(&contentType)
	if media, _, _ := mime.ParseMediaType(contentType); media == runtime.ContentTypeProtobuf {
		return answer.Get()
	}
	if err := answer.Into(untyped); err != nil {
		return nil, err
	}
	return untyped, nil
}
