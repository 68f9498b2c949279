package cases

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

var (
	namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	accounts   = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	secrets    = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
)

// patient is how long a condition may take before it counts as never.
const patient = 60 * time.Second

// Cluster is the API server that the tests are given.
type Cluster struct {
	T          *testing.T
	Kubeconfig string
	Config     *rest.Config
	Client     dynamic.Interface
	mapper     meta.ResettableRESTMapper
	root       string // of the repository
}

// NewCluster skips the test where there is no API server.
func NewCluster(t *testing.T) *Cluster {
	t.Helper()
	kubeconfig := os.Getenv("PULLSECRETS_TEST_KUBECONFIG")
	if kubeconfig == "" {
		t.Skip("needs an API server: run make test")
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	must(t, err)
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	must(t, err)
	served, err := discovery.NewDiscoveryClientForConfig(config)
	must(t, err)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(served))
	return &Cluster{T: t, Kubeconfig: kubeconfig, Config: config, Client: client, mapper: mapper, root: root(t)}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// root is the folder of the repository: tests run in their package's folder, somewhere below it.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	must(t, err)
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "kustomize", "base")); err == nil {
			return dir
		}
	}
	t.Fatal("not within the repository")
	return ""
}

// Kubectl runs the real one.
func (c *Cluster) Kubectl(stdin string, args ...string) (string, error) {
	cmd := exec.Command("kubectl", args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// eventually waits for a condition. Nothing else waits for a time.
func (c *Cluster) eventually(what string, condition func() error) {
	c.T.Helper()
	var err error
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patient); time.Now().Before(deadline); <-tick.C {
		if err = condition(); err == nil {
			return
		}
	}
	c.T.Fatalf("not within %s: %s: %v", patient, what, err)
}

// empty makes the controller's namespace, and takes away what another story left in it.
func (c *Cluster) empty(ctx context.Context) {
	c.T.Helper()
	_, err := c.Client.Resource(namespaces).Create(ctx, Object("v1", "Namespace", "", Home), metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		c.T.Fatal(err)
	}
	for _, resource := range []schema.GroupVersionResource{configMaps, secrets, admissionRules} {
		err := c.Client.Resource(resource).Namespace(Home).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			c.T.Fatal(err)
		}
	}
}

// forget deletes namespaces. It does not wait until they are gone: what terminates is left alone by everybody.
func (c *Cluster) forget(ctx context.Context, prefix string) {
	list, err := c.Client.Resource(namespaces).List(ctx, metav1.ListOptions{})
	must(c.T, err)
	for _, ns := range list.Items {
		if strings.HasPrefix(ns.GetName(), prefix) {
			_ = c.Client.Resource(namespaces).Delete(ctx, ns.GetName(), metav1.DeleteOptions{})
		}
	}
}

// Resource returns where an object is. The error tells that the API server knows no such kind.
func (c *Cluster) Resource(u *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := u.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) { // of a definition that came since
		c.mapper.Reset()
		mapping, err = c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	}
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return c.Client.Resource(mapping.Resource), nil
	}
	return c.Client.Resource(mapping.Resource).Namespace(u.GetNamespace()), nil
}

// Get returns the live object of that name, or nil.
func (c *Cluster) Get(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	resource, err := c.Resource(u)
	if meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	live, err := resource.Get(ctx, u.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return live, err
}

func listOf(u *unstructured.Unstructured) []string {
	names := []string{}
	list, _, _ := unstructured.NestedSlice(u.Object, "imagePullSecrets")
	for _, e := range list {
		entry, _ := e.(map[string]any)
		name, _ := entry["name"].(string)
		names = append(names, name)
	}
	return names
}
