package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// plane is a running control plane; it is kept as JSON in its folder.
type plane struct {
	Dir        string
	Bin        string
	Kubeconfig string
	Server     string
	Token      string
	Processes  []process // in the order they were started

	last <-chan struct{} // closed when the process that was started last has ended
}

type process struct {
	Name string
	PID  int
	Args []string // the program and its arguments, for who starts it again
}

const stateFile = "controlplane.json"

// up starts a control plane.
func up(ctx context.Context, o options) (*plane, error) {
	bin, err := o.binaries(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := prepare(o.dir)
	if err != nil {
		return nil, err
	}
	p := &plane{Dir: dir, Bin: bin, Kubeconfig: filepath.Join(dir, "kubeconfig"), Token: newToken()}
	if err := p.start(ctx, o); err != nil {
		return nil, errors.Join(err, p.stop(), p.explain())
	}
	return p, nil
}

func newToken() string {
	token := make([]byte, 16)
	_, _ = rand.Read(token)
	return hex.EncodeToString(token)
}

// prepare makes the folder, or refuses one that is in use or holds something else.
func prepare(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "controlplane-")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if p, err := load(dir); err == nil {
		if slices.ContainsFunc(p.Processes, func(pr process) bool { return p.alive(pr) }) {
			return "", fmt.Errorf("a control plane runs in %s already: use its kubeconfig %s, or stop it with down -dir %s", dir, p.Kubeconfig, dir)
		}
		return "", fmt.Errorf("%s is left from a control plane that no longer runs: clear it with down -dir %s", dir, dir)
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return "", fmt.Errorf("%s is not empty: name a new folder", dir)
	}
	return dir, os.MkdirAll(dir, 0o755)
}

func load(dir string) (*plane, error) {
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, err
	}
	p := &plane{}
	return p, json.Unmarshal(text, p)
}

func (p *plane) start(ctx context.Context, o options) error {
	ports, err := freePorts(4, o.port)
	if err != nil {
		return err
	}
	etcd := fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	peer := fmt.Sprintf("http://127.0.0.1:%d", ports[2])
	p.Server = fmt.Sprintf("https://127.0.0.1:%d", ports[0])
	if err := p.writeKeys(); err != nil {
		return err
	}
	if err := p.spawn("etcd", "server", "--name=default", "--data-dir="+p.file("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls="+etcd, "--advertise-client-urls="+etcd,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer,
		"--quota-backend-bytes=8589934592", "--log-level=warn"); err != nil {
		return err
	}
	if err := p.await(ctx, "etcd", etcd+"/health"); err != nil {
		return err
	}
	if o.node {
		if err := p.writeNodeKubeconfig(); err != nil {
			return err
		}
	}
	if err := p.spawn("kube-apiserver", "kube-apiserver", p.apiserverFlags(o, etcd, ports[0])...); err != nil {
		return err
	}
	if err := p.await(ctx, "kube-apiserver", p.Server+"/readyz"); err != nil {
		return err
	}
	if err := p.writeKubeconfig(); err != nil {
		return err
	}
	if err := p.spawn("kube-controller-manager", "kube-controller-manager", p.controllerManagerFlags(o)...); err != nil {
		return err
	}
	return p.await(ctx, "kube-controller-manager", p.Server+"/api/v1/namespaces/default/serviceaccounts/default")
}

// freePorts asks the kernel for ports that nobody listens on; the first is the given one, if any.
func freePorts(n, first int) ([]int, error) {
	var ports []int
	for i := range n {
		want := 0
		if i == 0 {
			want = first
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", want))
		if err != nil {
			return nil, fmt.Errorf("port %d is taken: name another with -port, or none to have one chosen (%w)", want, err)
		}
		defer l.Close() // all at the end, so that no two are the same
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// spawn starts a process in a session of its own, so that it outlives this one and an interrupt at the terminal.
func (p *plane) spawn(name, binary string, args ...string) error {
	log, err := os.Create(p.file(name + ".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(p.Bin, binary), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.Dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	ended := make(chan struct{})
	go func() { // reap it if it dies while we live
		defer close(ended)
		_ = cmd.Wait()
	}()
	p.last = ended
	p.Processes = append(p.Processes, process{Name: name, PID: cmd.Process.Pid, Args: cmd.Args})
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(p.file(stateFile), text, 0o600)
}

// await polls url until it answers 200, and gives up when the process is gone or a minute is over.
func (p *plane) await(ctx context.Context, name, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // a certificate that this very call waits for
	}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+p.Token)
		if resp, err := client.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.last:
			return fmt.Errorf("%s ended before it was ready", name)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", name, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// writeKeys writes the key that signs service account tokens, and the administrator's own token.
func (p *plane) writeKeys() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(p.file("sa.key"), text, 0o600); err != nil {
		return err
	}
	return os.WriteFile(p.file("tokens.csv"), []byte(p.Token+`,admin,admin,"system:masters"`+"\n"), 0o600)
}

func (p *plane) writeKubeconfig() error { return p.writeKubeconfigOf(p.Kubeconfig, "admin", p.Token) }

func (p *plane) writeKubeconfigOf(path, user, token string) error {
	return os.WriteFile(path, fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: controlplane
clusters:
- name: controlplane
  cluster: {server: %q, certificate-authority: %q}
users:
- name: %[3]s
  user: {token: %[4]q}
contexts:
- name: controlplane
  context: {cluster: controlplane, user: %[3]s}
`, p.Server, p.certificate(), user, token), 0o600)
}

// certificate is what kube-apiserver made for itself, signed by itself.
func (p *plane) certificate() string { return p.file("certs/apiserver.crt") }

func (p *plane) file(name string) string { return filepath.Join(p.Dir, name) }

// down stops the control plane in dir and removes the folder.
func down(dir string) error {
	if dir == "" {
		return errors.New("name the folder of the control plane with -dir")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	p, err := load(dir)
	if err != nil {
		return fmt.Errorf("%s holds no control plane: %w", dir, err)
	}
	if err := p.stop(); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// stop ends the processes, the last started first.
func (p *plane) stop() error {
	for _, pr := range slices.Backward(p.Processes) {
		if !p.alive(pr) {
			continue
		}
		_ = syscall.Kill(pr.PID, syscall.SIGTERM)
		for deadline := time.Now().Add(10 * time.Second); p.alive(pr); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				_ = syscall.Kill(pr.PID, syscall.SIGKILL)
			}
			if time.Now().After(deadline.Add(5 * time.Second)) {
				return fmt.Errorf("%s (process %d) does not end", pr.Name, pr.PID)
			}
		}
	}
	return nil
}

// alive reports whether the process still runs and is ours: process ids are used again, but no other program has
// our folder among its arguments.
func (p *plane) alive(pr process) bool {
	out, err := exec.Command("ps", "-p", fmt.Sprint(pr.PID), "-o", "stat=,args=").Output()
	return err == nil && strings.Contains(string(out), p.Dir) && !strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}

// explain returns the last lines of the log of the process that failed.
func (p *plane) explain() error {
	if len(p.Processes) == 0 {
		return nil
	}
	log := p.file(p.Processes[len(p.Processes)-1].Name + ".log")
	text, err := os.ReadFile(log)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return fmt.Errorf("the end of %s:\n%s", log, strings.Join(lines[max(0, len(lines)-8):], "\n"))
}
