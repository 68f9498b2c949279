package helm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kinds are those that the tests ask for.
var kinds = struct{ namespaces, accounts, secrets, configMaps, deployments schema.GroupVersionResource }{
	namespaces:  schema.GroupVersionResource{Version: "v1", Resource: "namespaces"},
	accounts:    schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"},
	secrets:     schema.GroupVersionResource{Version: "v1", Resource: "secrets"},
	configMaps:  schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
	deployments: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"},
}

// patient is how long a condition may take before it counts as never.
const patient = 60 * time.Second

// cluster is the API server that the tests are given.
type cluster struct {
	t          *testing.T
	kubeconfig string
	config     *rest.Config
	client     dynamic.Interface
	typed      *kubernetes.Clientset
}

// newCluster skips the test where there is no API server.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	kubeconfig := os.Getenv("PULLSECRETS_TEST_KUBECONFIG")
	if kubeconfig == "" {
		t.Skip("needs an API server: run make helm-test")
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	must(t, err)
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	must(t, err)
	typed, err := kubernetes.NewForConfig(config)
	must(t, err)
	return &cluster{t, kubeconfig, config, client, typed}
}

// eventually waits for a condition. Nothing else waits for a time.
func (c *cluster) eventually(what string, condition func() error) {
	c.t.Helper()
	eventually(c.t, patient, what, condition)
}

func eventually(t *testing.T, within time.Duration, what string, condition func() error) {
	t.Helper()
	var err error
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); <-tick.C {
		if err = condition(); err == nil {
			return
		}
	}
	t.Fatalf("not within %s: %s: %v", within, what, err)
}

// namespace makes one.
func (c *cluster) namespace(name string) {
	c.t.Helper()
	ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}}
	_, err := c.client.Resource(kinds.namespaces).Create(c.t.Context(), ns, metav1.CreateOptions{})
	must(c.t, err)
	c.eventually("the account of "+name, func() error {
		_, err := c.client.Resource(kinds.accounts).Namespace(name).Get(c.t.Context(), "default", metav1.GetOptions{})
		return err
	})
}

// forget deletes namespaces at the end, and waits until they are gone.
func (c *cluster) forget(names ...string) {
	ctx := context.WithoutCancel(c.t.Context())
	c.t.Cleanup(func() {
		left := names
		c.eventually("the namespaces are gone", func() error {
			left = slices.DeleteFunc(left, func(name string) bool {
				return apierrors.IsNotFound(c.client.Resource(kinds.namespaces).Delete(ctx, name, metav1.DeleteOptions{}))
			})
			if len(left) > 0 {
				return fmt.Errorf("left: %v", left)
			}
			return nil
		})
	})
}

func (c *cluster) get(resource schema.GroupVersionResource, namespace, name string) *unstructured.Unstructured {
	c.t.Helper()
	u, err := c.client.Resource(resource).Namespace(namespace).Get(c.t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	must(c.t, err)
	return u
}

// pulls are the names in an account's list.
func (c *cluster) pulls(namespace, account string) (names []string) {
	c.t.Helper()
	u := c.get(kinds.accounts, namespace, account)
	if u == nil {
		return nil
	}
	list, _, _ := unstructured.NestedSlice(u.Object, "imagePullSecrets")
	for _, entry := range list {
		names = append(names, fmt.Sprint(entry.(map[string]any)["name"]))
	}
	return names
}

// served waits until a namespace has the copies, and its default account the names.
func (c *cluster) served(namespace string, names ...string) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("%s has %v", namespace, names), func() error {
		if got := c.pulls(namespace, "default"); !slices.Equal(got, names) {
			return fmt.Errorf("its account has %v", got)
		}
		for _, name := range names {
			if c.get(kinds.secrets, namespace, name) == nil {
				return fmt.Errorf("there is no copy %s", name)
			}
		}
		return nil
	})
}

// snapshot has the version of everything in the cluster but what the API server itself keeps anew all the time.
func (c *cluster) snapshot() map[string]string {
	c.t.Helper()
	lists, err := c.typed.Discovery().ServerPreferredResources()
	must(c.t, err)
	out := map[string]string{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		must(c.t, err)
		for _, r := range list.APIResources {
			if !slices.Contains(r.Verbs, "list") || r.Name == "leases" || r.Name == "events" || r.Name == "componentstatuses" || r.Name == "apiservices" {
				continue
			}
			found, err := c.client.Resource(gv.WithResource(r.Name)).List(c.t.Context(), metav1.ListOptions{})
			if apierrors.IsNotFound(err) { // a definition that has just gone
				continue
			}
			must(c.t, err)
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

var program = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "pullsecrets")
	if err != nil {
		return "", err
	}
	file := filepath.Join(folder, "pullsecrets")
	build := exec.Command("go", "build", "-trimpath", "-o", file, ".")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return file, nil
})

// theProgram is built as the image has it: static.
func theProgram(t *testing.T) string {
	t.Helper()
	file, err := program()
	must(t, err)
	return file
}

// controller is the program as a Deployment of a release starts it, with the token of its service account.
type controller struct {
	cmd *exec.Cmd
	log logText
}

// start runs what the live Deployment says. Ports are left out, because tests run beside each other.
func (c *cluster) start(namespace, deployment string, env ...string) *controller {
	c.t.Helper()
	pod, _, _ := unstructured.NestedMap(c.get(kinds.deployments, namespace, deployment).Object, "spec", "template", "spec")
	container := pod["containers"].([]any)[0].(map[string]any)
	args := []string{}
	for _, arg := range container["args"].([]any) {
		args = append(args, arg.(string))
	}
	p := &controller{cmd: exec.Command(theProgram(c.t), append(args, "-kubeconfig", c.token(namespace, pod["serviceAccountName"].(string)), "-metrics-addr=", "-health-addr=", "-log-format=json")...)}
	p.cmd.Env = append(os.Environ(), "POD_NAMESPACE="+namespace)
	for _, entry := range container["env"].([]any) {
		if variable := entry.(map[string]any); variable["value"] != nil {
			p.cmd.Env = append(p.cmd.Env, fmt.Sprintf("%s=%s", variable["name"], variable["value"]))
		}
	}
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	must(c.t, p.cmd.Start())
	c.t.Cleanup(func() {
		p.stop()
		if c.t.Failed() {
			c.t.Logf("the controller's log:\n%s", p.log.String())
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
	c.t.Helper()
	token, err := c.typed.CoreV1().ServiceAccounts(namespace).CreateToken(c.t.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	must(c.t, err)
	config := clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"c": {Server: c.config.Host, CertificateAuthority: c.config.CAFile,
			CertificateAuthorityData: c.config.CAData, InsecureSkipTLSVerify: c.config.Insecure}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"a": {Token: token.Status.Token}},
		Contexts:       map[string]*clientcmdapi.Context{"x": {Cluster: "c", AuthInfo: "a"}},
		CurrentContext: "x",
	}
	path := filepath.Join(c.t.TempDir(), "kubeconfig")
	must(c.t, clientcmd.WriteToFile(config, path))
	return path
}

type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *logText) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *logText) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
