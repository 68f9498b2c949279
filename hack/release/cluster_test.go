package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

const home = "pullsecrets" // the namespace

// cluster is the API server that the tests are given, with a user who runs kubectl there.
type cluster struct {
	kubeconfig string
	registry   *testRegistry
	version    string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	kubeconfig := os.Getenv("PULLSECRETS_TEST_KUBECONFIG")
	if kubeconfig == "" {
		t.Skip("needs an API server: run make release-test")
	}
	return &cluster{kubeconfig: kubeconfig}
}

func (c *cluster) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := c.try(stdin, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (c *cluster) try(stdin string, args ...string) (string, error) {
	cmd := exec.Command("kubectl", append([]string{"--kubeconfig", c.kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// equal holds what was applied against what is in the API server: nothing would change.
func (c *cluster) equal(t *testing.T, manifest string) {
	t.Helper()
	if strings.Count(manifest, "kind: Deployment") != 1 {
		t.Fatalf("the manifest is not that of the controller:\n%s", manifest)
	}
	if out, err := c.try(manifest, "-n", home, "diff", "-f", "-"); err != nil {
		t.Errorf("the API server has something else: %v\n%s", err, out)
	}
}

// works pulls the image of the installed Deployment as a node would, and runs the program from it as the installed
// service account, until it is ready and has judged the installed policy.
func (c *cluster) works(t *testing.T, image string) {
	t.Helper()
	var deployment struct {
		Spec struct {
			Template struct {
				Spec struct {
					ServiceAccountName string
					Containers         []struct {
						Image string
						Args  []string
					}
				}
			}
		}
	}
	text := c.kubectl(t, "", "-n", home, "get", "deployment", "pullsecrets", "-o", "json")
	if err := json.Unmarshal([]byte(text), &deployment); err != nil {
		t.Fatal(err)
	}
	pod := deployment.Spec.Template.Spec
	if len(pod.Containers) != 1 || pod.Containers[0].Image != image {
		t.Fatalf("the containers are %v, not one of %s", pod.Containers, image)
	}
	program := c.pull(t, image)
	if said, err := exec.Command(program, "version").Output(); err != nil || string(said) != "pullsecrets "+c.version+"\n" {
		t.Fatalf("the program of the image says %q, %v", said, err)
	}
	c.run(t, program, pod.ServiceAccountName, pod.Containers[0].Args)
}

// pull takes an image apart as a node does that has the test's registry for a mirror of ghcr.io. It returns the
// program that the image starts.
func (c *cluster) pull(t *testing.T, image string) string {
	t.Helper()
	mirrored := strings.Replace(image, "ghcr.io/", c.registry.host+"/", 1)
	reference, err := name.ParseReference(mirrored)
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := remote.Image(reference, remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}))
	if err != nil {
		t.Fatal(err)
	}
	config, err := pulled.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	content := mutate.Extract(pulled)
	defer content.Close()
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files["/"+strings.TrimPrefix(h.Name, "/")] = text
	}
	if len(files) != 1 || len(config.Config.Entrypoint) != 1 || files[config.Config.Entrypoint[0]] == nil {
		t.Fatalf("the image holds %d files and starts %v", len(files), config.Config.Entrypoint)
	}
	program := filepath.Join(t.TempDir(), "pullsecrets")
	if err := os.WriteFile(program, files[config.Config.Entrypoint[0]], 0o755); err != nil {
		t.Fatal(err)
	}
	return program
}

// run starts the controller with the rights of a service account and no others, and waits until it has done its work.
func (c *cluster) run(t *testing.T, program, account string, args []string) {
	t.Helper()
	kubeconfig := c.kubeconfigOf(t, account)
	health := freeAddress(t)
	var log bytes.Buffer
	cmd := exec.Command(program, append(args[:len(args):len(args)], "-kubeconfig", kubeconfig, "-health-addr", health, "-metrics-addr", "")...)
	cmd.Env = append(os.Environ(), "POD_NAMESPACE="+home)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := <-ended; err != nil {
			t.Errorf("the controller ended with %v", err)
		}
		if t.Failed() {
			t.Logf("its log:\n%s", log.String())
		}
	}()
	eventually(t, "the controller is ready", func() error {
		response, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
	eventually(t, "the policy is in force", func() error {
		out, err := c.try("", "-n", home, "get", "configmap", "pullsecrets-policy", "-o", `jsonpath={.metadata.annotations.pullsecrets/status}: {.metadata.annotations.pullsecrets/message}`)
		if err == nil && !strings.HasPrefix(out, "Ready: ") {
			return errors.New(out)
		}
		return err
	})
	eventually(t, "a namespace can pull", func() error {
		out, err := c.try("", "-n", "shop", "get", "serviceaccount/default", "secret/regcred", "-o", "jsonpath={.items[0].imagePullSecrets[*].name}")
		if err == nil && out != "regcred" {
			return fmt.Errorf("with %q", out)
		}
		return err
	})
}

// kubeconfigOf writes one with a token of a service account of the installation.
func (c *cluster) kubeconfigOf(t *testing.T, account string) string {
	t.Helper()
	token := c.kubectl(t, "", "-n", home, "create", "token", account)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := c.kubectl(t, "", "config", "view", "--minify", "--flatten", "--raw")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	of := &cluster{kubeconfig: file}
	of.kubectl(t, "", "config", "unset", "users")
	of.kubectl(t, "", "config", "set-credentials", account, "--token", token)
	of.kubectl(t, "", "config", "set-context", "--current", "--user", account)
	if who := of.kubectl(t, "", "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"); who != "system:serviceaccount:"+home+":"+account {
		t.Fatalf("the token is of %s", who)
	}
	return file
}

// sources makes the sources of the example policy and namespaces to serve.
func (c *cluster) sources(t *testing.T, tree string) {
	t.Helper()
	c.kubectl(t, "", "apply", "-k", filepath.Join(tree, "examples", "first-try"))
}

// empty takes away everything that an installation and its work left.
func (c *cluster) empty(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"mutatingadmissionpolicybinding", "mutatingadmissionpolicy", "validatingadmissionpolicybinding",
		"validatingadmissionpolicy", "customresourcedefinition", "clusterrolebinding", "clusterrole"} {
		for object := range strings.FieldsSeq(c.kubectl(t, "", "get", kind, "-o", "name")) {
			if strings.Contains(object, "pullsecrets") {
				c.kubectl(t, "", "delete", object)
			}
		}
	}
	c.kubectl(t, "", "delete", "secrets", "-A", "-l", "app.kubernetes.io/managed-by=pullsecrets")
	c.kubectl(t, "", "delete", "namespace", "--ignore-not-found", home, "shop", "billing", "builds")
	c.kubectl(t, "", "-n", "default", "patch", "serviceaccount", "default", "--type=merge", "-p", `{"imagePullSecrets": null}`)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// eventually waits for a condition. Nothing else waits for a time.
func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s: %v", what, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
