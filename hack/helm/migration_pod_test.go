package helm

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// pod is the program as a Deployment's pod runs it: alone in a root of its own that has the files that are mounted, with
// the arguments, variables and the service account's token of the pod's template, and nothing else.
type pod struct {
	m         *migrating
	namespace string
	template  corev1.PodSpec
	container corev1.Container
	root      string
	log       *harness.Buffer
	cmd       *exec.Cmd
	ended     chan struct{}
	stop      func()
}

const tokenFolder = "/var/run/secrets/kubernetes.io/serviceaccount"

// run starts the one container of a Deployment.
func (m *migrating) run(namespace, deployment string) *pod {
	m.T.Helper()
	var d appsv1.Deployment
	harness.Must(m.T, runtime.DefaultUnstructuredConverter.FromUnstructured(m.Get(deployments, namespace, deployment).Object, &d))
	if len(d.Spec.Template.Spec.Containers) != 1 || *d.Spec.Replicas != 1 {
		m.T.Fatalf("%s/%s has %d containers and %d replicas", namespace, deployment, len(d.Spec.Template.Spec.Containers), *d.Spec.Replicas)
	}
	p := &pod{m: m, namespace: namespace, template: d.Spec.Template.Spec, container: d.Spec.Template.Spec.Containers[0], root: m.T.TempDir(), log: &harness.Buffer{}}
	if !regexp.MustCompile(`^ghcr\.io/pullsecrets/pullsecrets:v\d`).MatchString(p.container.Image) || len(p.container.Command) > 0 {
		m.T.Fatalf("the image is %s, the command %q", p.container.Image, p.container.Command)
	}
	p.hasMemory()
	p.mount()
	p.awaitPorts()
	p.start()
	return p
}

// hasMemory wants as much as the manifests of this project give.
func (p *pod) hasMemory() {
	limit := p.container.Resources.Limits.Memory()
	if least := resource.MustParse("256Mi"); limit.Cmp(least) < 0 {
		p.m.T.Errorf("the container is ended at %s of memory", limit)
	}
}

// mount puts files where the pod has them.
func (p *pod) mount() {
	t := p.m.T
	t.Helper()
	text, err := os.ReadFile(harness.Binary(t))
	harness.Must(t, err)
	p.write("/pullsecrets", text, 0o755)
	harness.Must(t, os.Mkdir(p.root+"/tmp", 0o777))
	account := p.template.ServiceAccountName
	if account == "" {
		account = "default"
	}
	token := p.m.shell(fmt.Sprintf("kubectl -n %s create token %s --duration=1h", p.namespace, account))
	p.write(tokenFolder+"/token", []byte(strings.TrimSpace(token)), 0o644)
	p.write(tokenFolder+"/namespace", []byte(p.namespace), 0o644)
	ca, err := os.ReadFile(p.m.Config.CAFile)
	harness.Must(t, err)
	p.write(tokenFolder+"/ca.crt", ca, 0o644)
	for _, mount := range p.container.VolumeMounts {
		p.mountSecret(mount)
	}
}

func (p *pod) mountSecret(mount corev1.VolumeMount) {
	p.m.T.Helper()
	for _, v := range p.template.Volumes {
		if v.Name != mount.Name {
			continue
		}
		if v.Secret == nil || len(v.Secret.Items) > 0 || mount.SubPath != "" {
			p.m.T.Fatalf("the volume %s is of a kind that is not known here", v.Name)
		}
		for key, value := range p.secret(v.Secret.SecretName) {
			p.write(filepath.Join(mount.MountPath, key), value, 0o644)
		}
		return
	}
	p.m.T.Fatalf("there is no volume %s", mount.Name)
}

// secret is the data of a Secret of the pod's namespace.
func (p *pod) secret(name string) map[string][]byte {
	p.m.T.Helper()
	out := map[string][]byte{}
	data, _ := p.m.Get(api.Secrets, p.namespace, name).Object["data"].(map[string]any)
	for key, value := range data {
		decoded, err := base64.StdEncoding.DecodeString(value.(string))
		harness.Must(p.m.T, err)
		out[key] = decoded
	}
	return out
}

func (p *pod) write(path string, content []byte, mode os.FileMode) {
	p.m.T.Helper()
	file := filepath.Join(p.root, path)
	harness.Must(p.m.T, os.MkdirAll(filepath.Dir(file), 0o755))
	harness.Must(p.m.T, os.WriteFile(file, content, mode))
}

// env are the variables of the pod.
func (p *pod) env() []string {
	p.m.T.Helper()
	server, err := url.Parse(p.m.Config.Host)
	harness.Must(p.m.T, err)
	out := []string{"KUBERNETES_SERVICE_HOST=" + server.Hostname(), "KUBERNETES_SERVICE_PORT=" + server.Port()}
	for _, v := range p.container.Env {
		value := v.Value
		switch ref := v.ValueFrom; {
		case ref == nil:
		case ref.FieldRef != nil && ref.FieldRef.FieldPath == "metadata.namespace":
			value = p.namespace
		case ref.SecretKeyRef != nil:
			value = string(p.secret(ref.SecretKeyRef.Name)[ref.SecretKeyRef.Key])
		default:
			p.m.T.Fatalf("the variable %s is of a kind that is not known here", v.Name)
		}
		out = append(out, v.Name+"="+value)
	}
	return out
}

// awaitPorts waits until nobody else on this machine has the ports of the probes.
func (p *pod) awaitPorts() {
	p.m.T.Helper()
	p.m.Eventually("the ports are free", func() error {
		for _, port := range []string{":8080", ":8081"} {
			l, err := net.Listen("tcp", port)
			if err != nil {
				return err
			}
			_ = l.Close()
		}
		return nil
	})
}

func (p *pod) start() {
	t := p.m.T
	t.Helper()
	args := p.container.Args
	if len(args) == 0 {
		args = []string{"run"} // the image's CMD
	}
	p.cmd = exec.Command("/pullsecrets", args...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = "/", p.env(), p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: p.root}
	if os.Getuid() != 0 {
		p.cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		p.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	}
	harness.Must(t, p.cmd.Start())
	p.ended = make(chan struct{})
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
	p.stop = sync.OnceFunc(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		<-p.ended
	})
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%q, log:\n%s", args, p.log)
		}
	})
}

// answers holds the probes of the template against the program that runs.
func (p *pod) answers() {
	p.m.T.Helper()
	for name, probe := range map[string]*corev1.Probe{"liveness": p.container.LivenessProbe, "readiness": p.container.ReadinessProbe} {
		if probe == nil {
			continue
		}
		address := fmt.Sprintf("http://127.0.0.1:%d%s", p.port(probe), probe.HTTPGet.Path)
		p.m.Eventually("the probe of "+name+" is answered", func() error { return p.ask(address) })
	}
}

func (p *pod) port(probe *corev1.Probe) int {
	for _, port := range p.container.Ports {
		if port.Name == probe.HTTPGet.Port.StrVal && port.Name != "" {
			return int(port.ContainerPort)
		}
	}
	return probe.HTTPGet.Port.IntValue()
}

func (p *pod) ask(address string) error {
	select {
	case <-p.ended:
		p.m.T.Fatal("it ended")
	default:
	}
	ctx, cancel := context.WithTimeout(p.m.Ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, response.Status)
	}
	return nil
}

// lines are those of the log that have all of the words.
func (p *pod) lines(words ...string) (out []string) {
	for line := range strings.Lines(p.log.String()) {
		has := true
		for _, word := range words {
			has = has && strings.Contains(line, word)
		}
		if has {
			out = append(out, line)
		}
	}
	return out
}
