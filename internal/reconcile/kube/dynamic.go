package kube

import (
	"context"
	"errors"
	"net/http"

	"k8s.io/apimachinery/pkg/api/meta"
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
//
// What a proxy answers in place of the API server is an error where it does not say that what was asked for was done.
func NewDynamic(config *rest.Config) (dynamic.Interface, error) {
	config = dynamic.ConfigFor(config)
	client, err := newHTTP(config)
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
	return typedClient{checkedClient{dynamic.New(all), all}, dynamic.New(typed), typed}, nil
}

// newHTTP returns a client that does not follow a redirect by which a write would become a read: the answer to that would say that it
// was done.
func newHTTP(config *rest.Config) (*http.Client, error) {
	shared, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	client := *shared
	client.CheckRedirect = func(next *http.Request, before []*http.Request) error {
		if next.Method != before[0].Method {
			return http.ErrUseLastResponse
		}
		if len(before) >= 10 { // as Go's own clients do
			return errors.New("stopped after 10 redirects")
		}
		return nil
	}
	return &client, nil
}

// newREST returns what a dynamic client sends with, with these codecs, and what it accepts.
func newREST(config *rest.Config, client *http.Client, codecs codecs, accept string) (rest.Interface, error) {
	config = rest.CopyConfig(config)
	config.NegotiatedSerializer, config.AcceptContentTypes = codecs, accept
	config.GroupVersion, config.APIPath = nil, "/" // a dynamic client gives whole paths
	return rest.UnversionedRESTClientForConfigAndClient(config, client)
}

// typedResources are those whose types the codecs know, with their kinds.
var typedResources = map[schema.GroupVersionResource]string{
	Namespaces: "Namespace", ServiceAccounts: "ServiceAccount", Secrets: "Secret", ConfigMaps: "ConfigMap",
}

// typedClient is a dynamic client with the watches of another one, and with requests of its own where answers are types.
type typedClient struct {
	dynamic.Interface
	watches dynamic.Interface
	rest    rest.Interface
}

// Resource is part of dynamic.Interface.
func (c typedClient) Resource(resource schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	if typedResources[resource] == "" {
		return c.Interface.Resource(resource)
	}
	return typedResource{c.Interface.Resource(resource), c.watches.Resource(resource), typedRequests{requests{c.rest, resource, ""}}}
}

type typedResource struct {
	dynamic.NamespaceableResourceInterface
	watches dynamic.NamespaceableResourceInterface
	typedRequests
}

// Namespace is part of dynamic.NamespaceableResourceInterface.
func (r typedResource) Namespace(namespace string) dynamic.ResourceInterface {
	return typedIn{r.NamespaceableResourceInterface.Namespace(namespace), r.watches.Namespace(namespace), typedRequests{requests{r.rest, r.resource, namespace}}}
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
// itself can only return maps. A list has a version, which what a proxy makes up has not.
func List(ctx context.Context, in dynamic.ResourceInterface, opts metav1.ListOptions) (runtime.Object, error) {
	list, err := listOf(ctx, in, opts)
	if err != nil {
		return nil, err
	}
	return versioned(list)
}

// versioned is a list that has a version.
func versioned(list runtime.Object) (runtime.Object, error) {
	if about, err := meta.ListAccessor(list); err != nil || about.GetResourceVersion() == "" {
		return nil, errNoList
	}
	return list, nil
}

func listOf(ctx context.Context, in dynamic.ResourceInterface, opts metav1.ListOptions) (runtime.Object, error) {
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

// typedRequests are answered with objects of their types.
type typedRequests struct{ requests }

func (r typedRequests) list(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
	path, err := r.path()
	if err != nil {
		return nil, err
	}
	list, err := typed(r.rest.Get().AbsPath(path...).SpecificallyVersionedParams(&opts, metav1.ParameterCodec, version1).Do(ctx), &unstructured.UnstructuredList{}, errNoList)
	if err != nil {
		return nil, err
	}
	if list.GetObjectKind().GroupVersionKind() != version1.WithKind(typedResources[r.resource]+"List") {
		return nil, errNoList
	}
	return list, nil
}

func (r typedRequests) patch(ctx context.Context, name string, kind types.PatchType, data []byte, opts metav1.PatchOptions) (metav1.Object, error) {
	path, err := r.path(name)
	if err != nil {
		return nil, err
	}
	out, err := typed(r.rest.Patch(kind).AbsPath(path...).Body(data).SpecificallyVersionedParams(&opts, metav1.ParameterCodec, version1).Do(ctx), &unstructured.Unstructured{}, errOtherAnswer)
	if NotFoundElsewhere(err) {
		return nil, errOtherAnswer
	}
	if err != nil {
		return nil, err
	}
	obj, ok := out.(metav1.Object)
	if !ok {
		return nil, errOtherAnswer
	}
	return obj, nil
}
