package harness

import (
	"context"
	"os"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// Cluster is the API server that a test is given, with all rights there. A test that shares it with others takes a
// Sandbox in it.
type Cluster struct {
	T          *testing.T
	Ctx        context.Context // not the test's own, so that it lasts until all is cleaned up
	Kubeconfig string          // the path of the file
	Config     *rest.Config
	Client     dynamic.Interface
	Patience   time.Duration // how long Eventually waits
}

// NewCluster skips the test where there is no API server; target is the target of make that starts one.
func NewCluster(t *testing.T, target string) *Cluster {
	t.Helper()
	kubeconfig := os.Getenv("PULLSECRETS_TEST_KUBECONFIG")
	if kubeconfig == "" {
		t.Skip("needs an API server: run make " + target)
	}
	config, client, err := api.Connect(kubeconfig)
	Must(t, err)
	return &Cluster{T: t, Ctx: context.Background(), Kubeconfig: kubeconfig, Config: config, Client: client, Patience: Patient}
}

// EmptyHome makes the controller's namespace, with neither policy nor source nor anything of these kinds in it.
func (c *Cluster) EmptyHome(also ...schema.GroupVersionResource) {
	c.T.Helper()
	_, err := c.Client.Resource(api.Namespaces).Create(c.Ctx, api.Object("v1", "Namespace", "", api.Home), metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		c.T.Fatal(err)
	}
	for _, resource := range append([]schema.GroupVersionResource{api.ConfigMaps, api.Secrets}, also...) {
		Must(c.T, c.Client.Resource(resource).Namespace(api.Home).DeleteCollection(c.Ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
	}
}
