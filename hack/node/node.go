package main

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pullsecrets/pullsecrets/hack/node/image"
	"github.com/pullsecrets/pullsecrets/hack/node/registry"
)

//go:embed files
var files embed.FS

// placed is where the files go. Those without an ending are programs.
var placed = map[string]string{
	"kubelet.yaml": "kubelet.yaml", "containerd.toml": "containerd.toml",
	"runc": "runc", "pods.conf": "cni/pods.conf",
}

// node is what runs within the namespaces.
type node struct {
	bin  string // the folder of the programs
	last *process
}

// runNode starts everything, the slow before the quick, and runs the command.
func runNode(ctx context.Context, args []string) error {
	n := &node{bin: os.Getenv(binVariable)}
	for _, step := range []func(context.Context) error{
		n.environment, n.place, n.containerd, n.controlplane, n.registries, n.pauseImage, n.scheduler, n.kubelet, n.ready,
	} {
		if err := step(ctx); err != nil {
			return errors.Join(err, n.explain())
		}
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = os.Getenv("PWD") // not the folder that go -C changed to
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

// environment is that of the command, and of all processes.
func (n *node) environment(context.Context) error {
	path := []string{n.bin, filepath.Join(n.bin, "plane"), os.Getenv("PATH"), "/usr/sbin", "/sbin"}
	for name, value := range map[string]string{
		"PATH": strings.Join(path, ":"), "TMPDIR": home + "/tmp", "PULLSECRETS_NODE": home, "KUBECONFIG": home + "/plane/kubeconfig",
		"KUBECACHEDIR": home + "/tmp/kube",
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return prepareNetwork()
}

func (n *node) place(context.Context) error {
	if err := os.Mkdir(home+"/cni", 0o755); err != nil {
		return err
	}
	for name, place := range placed {
		text, err := files.ReadFile("files/" + name)
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if filepath.Ext(name) == "" {
			mode = 0o755
		}
		if err := os.WriteFile(filepath.Join(home, place), text, mode); err != nil {
			return err
		}
	}
	if err := os.Symlink(n.bin, home+"/bin"); err != nil {
		return err
	}
	return os.Symlink("bin/program", home+"/program")
}

func (n *node) containerd(context.Context) error {
	return n.start("containerd", "containerd", "--config", home+"/containerd.toml")
}

func (n *node) controlplane(ctx context.Context) error {
	_, err := output(ctx, home, "controlplane", "up", "-node", "-bind", "0.0.0.0", "-port", "443", "-bin", filepath.Join(n.bin, "plane"), "-dir", home+"/plane")
	return err
}

// theRegistries each have an image that the other has not.
var theRegistries = []struct{ name, host, repository string }{
	{"registry1", "127.0.0.1:5001", "private/one"},
	{"registry2", "127.0.0.1:5002", "private/two"},
}

func (n *node) registries(ctx context.Context) error {
	for _, r := range theRegistries {
		password := registry.Password(r.name)
		if _, err := registry.Start(r.host, filepath.Join(home, r.name), password); err != nil {
			return err
		}
		made, err := image.New(filepath.Join(n.bin, "program"), labelled(r.repository))
		if err != nil {
			return err
		}
		if err := image.Push(ctx, r.host+"/"+r.repository+":1", made, registry.User, password); err != nil {
			return err
		}
		if err := writeCredential(r.name, r.host, password); err != nil {
			return err
		}
	}
	return nil
}

// rotate gives one of the registries a new password, and writes it where the first one was.
func rotate(name string) error {
	if os.Getenv("PULLSECRETS_NODE") != home {
		return errors.New("it is called by the command of node run")
	}
	for _, r := range theRegistries {
		if r.name == name {
			password := rand.Text()
			return errors.Join(registry.SetPassword(filepath.Join(home, name), password), writeCredential(name, r.host, password))
		}
	}
	return fmt.Errorf("%q: one of registry1, registry2", name)
}

func writeCredential(name, host, password string) error {
	return os.WriteFile(filepath.Join(home, name+".json"), registry.Credential(host, password), 0o600)
}

// labelled makes an image of one program differ from others of it.
func labelled(text string) v1.Config { return v1.Config{Labels: map[string]string{"label": text}} }

// pauseImage gives containerd the image of which each pod has a container: no registry is asked for it.
func (n *node) pauseImage(ctx context.Context) error {
	made, err := image.New(filepath.Join(n.bin, "program"), labelled("pause"))
	if err != nil {
		return err
	}
	if err := image.Archive(home+"/pause.tar", "localhost/pause:1", made); err != nil {
		return err
	}
	if err := n.eventually(ctx, "ctr", "version"); err != nil {
		return err
	}
	_, err = output(ctx, home, "ctr", "--namespace", "k8s.io", "images", "import", "--snapshotter", "native", home+"/pause.tar")
	return err
}

func (n *node) scheduler(context.Context) error {
	return n.start("kube-scheduler", "kube-scheduler", "--kubeconfig", home+"/plane/kubeconfig", "--leader-elect=false", "--secure-port=0")
}

func (n *node) kubelet(context.Context) error {
	return n.start("kubelet", "kubelet", "--config", home+"/kubelet.yaml", "--kubeconfig", home+"/plane/node.kubeconfig",
		"--root-dir", "/var/lib/kubelet", "--cert-dir", "/var/lib/kubelet/pki",
		"--hostname-override", "node1", "--node-ip", nodeAddress, "--v=2")
}

// ready waits until pods can run.
func (n *node) ready(ctx context.Context) error {
	return n.eventually(ctx, "kubectl", "wait", "--for=condition=Ready", "node/node1", "--timeout=1s")
}
