package helm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// deployments is what a release runs the controller by.
var deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}

// cluster is the API server that the tests are given.
type cluster struct {
	*harness.Cluster
	typed *kubernetes.Clientset
}

// newCluster skips the test where there is no API server.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{Cluster: harness.NewCluster(t, "helm-test")}
	c.Patience = time.Minute
	var err error
	c.typed, err = kubernetes.NewForConfig(c.Config)
	harness.Must(t, err)
	return c
}

// namespace makes one.
func (c *cluster) namespace(name string) {
	c.T.Helper()
	c.Create(api.Namespaces, api.Object("v1", "Namespace", "", name))
	c.Eventually("the account of "+name, func() error {
		_, err := c.Client.Resource(api.Accounts).Namespace(name).Get(c.T.Context(), "default", metav1.GetOptions{})
		return err
	})
}

// forget deletes namespaces at the end, and waits until they are gone.
func (c *cluster) forget(names ...string) {
	ctx := context.WithoutCancel(c.T.Context())
	c.T.Cleanup(func() {
		left := names
		c.Eventually("the namespaces are gone", func() error {
			left = slices.DeleteFunc(left, func(name string) bool {
				return apierrors.IsNotFound(c.Client.Resource(api.Namespaces).Delete(ctx, name, metav1.DeleteOptions{}))
			})
			if len(left) > 0 {
				return fmt.Errorf("left: %v", left)
			}
			return nil
		})
	})
}

func (c *cluster) get(resource schema.GroupVersionResource, namespace, name string) *unstructured.Unstructured {
	c.T.Helper()
	u, err := c.Client.Resource(resource).Namespace(namespace).Get(c.T.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	harness.Must(c.T, err)
	return u
}

// pulls are the names in an account's list.
func (c *cluster) pulls(namespace, account string) []string {
	c.T.Helper()
	u := c.get(api.Accounts, namespace, account)
	if u == nil {
		return nil
	}
	return api.PullSecrets(u)
}

// served waits until a namespace has the copies, and its default account the names.
func (c *cluster) served(namespace string, names ...string) {
	c.T.Helper()
	c.Eventually(fmt.Sprintf("%s has %v", namespace, names), func() error {
		if got := c.pulls(namespace, "default"); !slices.Equal(got, names) {
			return fmt.Errorf("its account has %v", got)
		}
		for _, name := range names {
			if c.get(api.Secrets, namespace, name) == nil {
				return fmt.Errorf("there is no copy %s", name)
			}
		}
		return nil
	})
}

// snapshot has the version of everything in the cluster but what the API server itself keeps anew all the time.
func (c *cluster) snapshot() map[string]string {
	c.T.Helper()
	lists, err := c.typed.Discovery().ServerPreferredResources()
	harness.Must(c.T, err)
	out := map[string]string{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		harness.Must(c.T, err)
		for _, r := range list.APIResources {
			if !slices.Contains(r.Verbs, "list") || r.Name == "leases" || r.Name == "events" || r.Name == "componentstatuses" || r.Name == "apiservices" {
				continue
			}
			found, err := c.Client.Resource(gv.WithResource(r.Name)).List(c.T.Context(), metav1.ListOptions{})
			if apierrors.IsNotFound(err) { // a definition that has just gone
				continue
			}
			harness.Must(c.T, err)
			for _, u := range found.Items {
				out[strings.Join([]string{r.Kind, u.GetNamespace(), u.GetName()}, " ")] = string(u.GetUID()) + " " + u.GetResourceVersion()
			}
		}
	}
	return out
}

// changes are what differs between two snapshots: what came, what went and what was written.
func changes(before, after map[string]string) (came, went, written []string) {
	for id, version := range after {
		switch was, ok := before[id]; {
		case !ok:
			came = append(came, id)
		case was != version:
			written = append(written, id)
		}
	}
	for id := range before {
		if _, ok := after[id]; !ok {
			went = append(went, id)
		}
	}
	slices.Sort(came)
	slices.Sort(went)
	slices.Sort(written)
	return came, went, written
}

// controller is the program as a Deployment of a release starts it, with the token of its service account.
type controller struct {
	cmd *exec.Cmd
	log harness.Buffer
}

// start runs what the live Deployment says. Ports are left out, because tests run beside each other.
func (c *cluster) start(namespace, deployment string, env ...string) *controller {
	c.T.Helper()
	pod, _, _ := unstructured.NestedMap(c.get(deployments, namespace, deployment).Object, "spec", "template", "spec")
	container := pod["containers"].([]any)[0].(map[string]any)
	args := []string{}
	for _, arg := range container["args"].([]any) {
		args = append(args, arg.(string))
	}
	p := &controller{cmd: exec.Command(harness.Binary(c.T), append(args, "-kubeconfig", c.token(namespace, pod["serviceAccountName"].(string)), "-metrics-addr=", "-health-addr=", "-log-format=json")...)}
	p.cmd.Env = append(os.Environ(), "POD_NAMESPACE="+namespace)
	for _, entry := range container["env"].([]any) {
		if variable := entry.(map[string]any); variable["value"] != nil {
			p.cmd.Env = append(p.cmd.Env, fmt.Sprintf("%s=%s", variable["name"], variable["value"]))
		}
	}
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	harness.Must(c.T, p.cmd.Start())
	c.T.Cleanup(func() {
		p.stop()
		if c.T.Failed() {
			c.T.Logf("the controller's log:\n%s", p.log.String())
		}
	})
	return p
}

func (p *controller) stop() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(os.Interrupt)
		_ = p.cmd.Wait()
	}
}

// token writes a kubeconfig with the token of a service account.
func (c *cluster) token(namespace, account string) string {
	c.T.Helper()
	token, err := c.typed.CoreV1().ServiceAccounts(namespace).CreateToken(c.T.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	harness.Must(c.T, err)
	config := clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"c": {Server: c.Config.Host, CertificateAuthority: c.Config.CAFile,
			CertificateAuthorityData: c.Config.CAData, InsecureSkipTLSVerify: c.Config.Insecure}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"a": {Token: token.Status.Token}},
		Contexts:       map[string]*clientcmdapi.Context{"x": {Cluster: "c", AuthInfo: "a"}},
		CurrentContext: "x",
	}
	path := filepath.Join(c.T.TempDir(), "kubeconfig")
	harness.Must(c.T, clientcmd.WriteToFile(config, path))
	return path
}
