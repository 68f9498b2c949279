package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// version is that of k8s.io/kubernetes in kubelet/go.mod. The binaries have to be told, as hack/controlplane's are.
const version = "v1.37.2"

// programs are what build puts into its folder.
var programs = []string{"kubelet", "kube-scheduler", "program", "controlplane", "plane",
	"containerd", "containerd-shim-runc-v2", "ctr", "runc",
	"ptp", "host-local", "loopback"}

// build returns the folder of the programs, and makes them first if these versions were not built before.
func build(ctx context.Context) (string, error) {
	source, err := moduleDir()
	if err != nil {
		return "", err
	}
	bin, err := cacheDir(source)
	if err != nil {
		return "", err
	}
	lock, err := os.OpenFile(bin+".lock", os.O_CREATE|os.O_RDWR, 0o644) // a second build finds the first one's result
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if complete(bin) {
		return bin, nil
	}
	tmp, err := os.MkdirTemp(filepath.Dir(bin), "building-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := fill(ctx, source, tmp); err != nil {
		return "", err
	}
	if err := os.RemoveAll(bin); err != nil {
		return "", err
	}
	return bin, os.Rename(tmp, bin)
}

// moduleDir is this module's folder: the program is always run from within it.
func moduleDir() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(dir) != "node" {
		return "", fmt.Errorf("run this as: go -C hack/node run . (%q is not its module: %v)", dir, err)
	}
	return dir, nil
}

// cacheDir depends on all that determines the programs.
func cacheDir(source string) (string, error) {
	var inputs []string
	for _, pattern := range []string{"kubelet/go.*", "cni/go.*", "program/*.go", "../controlplane/*.go", "../controlplane/go.*"} {
		names, err := filepath.Glob(filepath.Join(source, pattern))
		if err != nil {
			return "", err
		}
		inputs = append(inputs, slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, "_test.go") })...)
	}
	h := sha256.New()
	for _, name := range inputs {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		h.Write(text)
	}
	fmt.Fprint(h, runtime.Version(), runtime.GOARCH)
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	parent := filepath.Join(cache, "pullsecrets", "node")
	return filepath.Join(parent, fmt.Sprintf("%s-%x", version, h.Sum(nil)[:6])), os.MkdirAll(parent, 0o755)
}

func complete(bin string) bool {
	for _, name := range programs {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			return false
		}
	}
	return true
}

// fill puts everything into the folder: containerd and runc first, because a machine may lack them.
func fill(ctx context.Context, source, out string) error {
	if err := runtimePrograms(ctx, out); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "building kubelet and kube-scheduler %s from source; about 2 minutes on two cores after the control "+
		"plane, once\n", version)
	controlplane := filepath.Join(filepath.Dir(source), "controlplane")
	for _, p := range []struct{ dir, pkg, out string }{
		{source, "./program", "program"},
		{controlplane, ".", "controlplane"},
		{filepath.Join(source, "cni"), "tool", ""},
		{filepath.Join(source, "kubelet"), "tool", ""},
	} {
		if err := compile(ctx, p.dir, p.pkg, filepath.Join(out, p.out)); err != nil {
			return err
		}
	}
	plane, err := goCommand(ctx, controlplane, "run", ".", "build")
	if err != nil {
		return err
	}
	return os.Symlink(strings.TrimSpace(plane), filepath.Join(out, "plane"))
}

// compile has the flags of hack/controlplane, and kubelet is a module of its own because it has the versions of it: what
// that has compiled is not compiled again.
func compile(ctx context.Context, dir, pkg, out string) error {
	ldflags := "-s -w"
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
		ldflags += fmt.Sprintf(" -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s", pkg, version, parts[0], parts[1])
	}
	_, err := goCommand(ctx, dir, "build", "-trimpath", "-ldflags", ldflags, "-o", out, pkg)
	return err
}

func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PWD="+dir, "GOFLAGS=-mod=readonly -buildvcs=false", "GOWORK=off")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, said.Bytes())
	}
	return string(out), nil
}
