package purge

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// server is an API server as far as a Purge asks one.
type server struct {
	dynamic.Interface
	mu      sync.Mutex
	version int
	objects map[string]*unstructured.Unstructured   // by resource/namespace/name
	writes  []string                                // verb resource/namespace/name
	refuse  func(verb, resource, name string) error // nil for none
	deletes bool                                    // false: what is deleted stays
}

func newServer(objects ...*unstructured.Unstructured) *server {
	s := &server{objects: map[string]*unstructured.Unstructured{}, deletes: true}
	for _, u := range objects {
		s.put(u)
	}
	return s
}

func (s *server) put(u *unstructured.Unstructured) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(strings.ToLower(u.GetKind())+"s", u)
}

func (s *server) set(resource string, u *unstructured.Unstructured) {
	s.version++
	u.SetResourceVersion(strconv.Itoa(s.version + 1))
	key := fmt.Sprintf("%s/%s/%s", resource, u.GetNamespace(), u.GetName())
	u.SetUID(types.UID(key))
	s.objects[key] = u
}

func (s *server) get(key string) *unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[key]
}

func (s *server) Resource(of schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	return scope{server: s, of: of}
}

// scope is a resource, in a namespace or in all.
type scope struct {
	dynamic.ResourceInterface
	server    *server
	of        schema.GroupVersionResource
	namespace string
}

func (c scope) Namespace(namespace string) dynamic.ResourceInterface {
	c.namespace = namespace
	return c
}

func (c scope) key(name string) string { return c.of.Resource + "/" + c.namespace + "/" + name }

// begin begins a request, and returns the object that it is about.
func (c scope) begin(verb, name string) (*unstructured.Unstructured, error) {
	if c.server.refuse != nil {
		if err := c.server.refuse(verb, c.of.Resource, name); err != nil {
			return nil, err
		}
	}
	if live := c.server.objects[c.key(name)]; live != nil || verb == "list" {
		return live, nil
	}
	return nil, apierrors.NewNotFound(c.of.GroupResource(), name)
}

func (c scope) Get(_ context.Context, name string, _ metav1.GetOptions, _ ...string) (*unstructured.Unstructured, error) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	live, err := c.begin("get", name)
	return live.DeepCopy(), err
}

func (c scope) List(_ context.Context, options metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	name, named := strings.CutPrefix(options.FieldSelector, "metadata.name=")
	if _, err := c.begin("list", name); err != nil {
		return nil, err
	}
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{"resourceVersion": "1"}}}
	for key, u := range c.server.objects {
		label := u.GetLabels()[cluster.LabelManagedBy]
		if strings.HasPrefix(key, c.of.Resource+"/") && (c.namespace == "" || u.GetNamespace() == c.namespace) &&
			(!named || u.GetName() == name) && (options.LabelSelector == "" || options.LabelSelector == cluster.LabelManagedBy+"="+label) {
			list.Items = append(list.Items, *u.DeepCopy())
		}
	}
	return list, nil
}

func (c scope) Delete(_ context.Context, name string, options metav1.DeleteOptions, _ ...string) error {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	live, err := c.begin("delete", name)
	if err != nil {
		return err
	}
	if *options.Preconditions.UID != live.GetUID() || *options.Preconditions.ResourceVersion != live.GetResourceVersion() {
		return apierrors.NewConflict(c.of.GroupResource(), name, nil)
	}
	c.server.writes = append(c.server.writes, "delete "+c.key(name))
	if c.server.deletes {
		delete(c.server.objects, c.key(name))
	}
	return nil
}

// Patch knows server-side apply of a service account, and the JSON patch by which we give its list up.
func (c scope) Patch(_ context.Context, name string, kind types.PatchType, data []byte, _ metav1.PatchOptions, _ ...string) (*unstructured.Unstructured, error) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	live, err := c.begin("patch", name)
	if err != nil {
		return nil, err
	}
	c.server.writes = append(c.server.writes, "patch "+c.key(name))
	out := live.DeepCopy()
	annotations := out.GetAnnotations()
	if kind == types.JSONPatchType {
		delete(annotations, cluster.AnnotationAdded)
		out.SetManagedFields(nil)
	} else {
		applied := &unstructured.Unstructured{}
		if err := json.Unmarshal(data, &applied.Object); err != nil {
			return nil, err
		}
		if applied.GetResourceVersion() != live.GetResourceVersion() {
			return nil, apierrors.NewConflict(c.of.GroupResource(), name, nil)
		}
		out.Object["imagePullSecrets"] = applied.Object["imagePullSecrets"]
		if ledger, ok := applied.GetAnnotations()[cluster.AnnotationAdded]; ok {
			annotations[cluster.AnnotationAdded] = ledger
		}
	}
	out.SetAnnotations(annotations)
	c.server.set(c.of.Resource, out)
	return out.DeepCopy(), nil
}

// written are the writes of a kind of object, in order.
func (s *server) written(words ...string) (out []string) {
	for _, write := range s.writes {
		if slices.ContainsFunc(words, func(word string) bool { return strings.Contains(write, word) }) {
			out = append(out, write)
		}
	}
	return out
}
