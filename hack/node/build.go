package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// release is a version of Kubernetes whose kubelet can be built here: a module that has it and the scheduler as tools.
type release struct {
	asked   string // as hack/controlplane is asked for it; empty for the one that the tests are made for
	dir     string // the module's folder, below this module's
	version string // of k8s.io/kubernetes there; the binaries have to be told, as hack/controlplane's are
}

// releases are all that there are, by the word that asks for one.
var releases = map[string]release{
	"":     {"", "kubelet", "v1.37.2"},
	"1.35": {"1.35", "versions/1.35", "v1.35.4"},
}

// releaseOf is the one that is asked for.
func releaseOf(version string) (release, error) {
	r, ok := releases[version]
	if !ok {
		known := slices.Sorted(maps.Keys(releases))
		return release{}, fmt.Errorf("there is no version %q here: name one of %s, or none", version, strings.Join(known[1:], ", "))
	}
	return r, nil
}

// programs are what build puts into its folder.
var programs = []string{"kubelet", "kube-scheduler", "program", "controlplane", "plane",
	"containerd", "containerd-shim-runc-v2", "ctr", "runc",
	"ptp", "host-local", "loopback"}

// build returns the folder of a release's programs, and makes them first if these versions were not built before.
func build(ctx context.Context, version string) (string, error) {
	r, err := releaseOf(version)
	if err != nil {
		return "", err
	}
	source, err := moduleDir()
	if err != nil {
		return "", err
	}
	bin, err := r.cacheDir(source)
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
	if err := r.fill(ctx, source, tmp); err != nil {
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
func (r release) cacheDir(source string) (string, error) {
	var inputs []string
	patterns := []string{r.dir + "/go.*", "cni/go.*", "program/*.go", "../controlplane/*.go", "../controlplane/go.*"}
	if r.asked != "" {
		patterns = append(patterns, "../controlplane/versions/"+r.asked+"/go.*")
	}
	for _, pattern := range patterns {
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
	return filepath.Join(parent, fmt.Sprintf("%s-%x", r.version, h.Sum(nil)[:6])), os.MkdirAll(parent, 0o755)
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
func (r release) fill(ctx context.Context, source, out string) error {
	if err := runtimePrograms(ctx, out); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "building kubelet and kube-scheduler %s from source; about 2 minutes on two cores after the control "+
		"plane, once\n", r.version)
	controlplane := filepath.Join(filepath.Dir(source), "controlplane")
	for _, p := range []struct{ dir, pkg, out string }{
		{source, "./program", "program"},
		{controlplane, ".", "controlplane"},
		{filepath.Join(source, "cni"), "tool", ""},
		{filepath.Join(source, r.dir), "tool", ""},
	} {
		if err := r.compile(ctx, p.dir, p.pkg, filepath.Join(out, p.out)); err != nil {
			return err
		}
	}
	plane, err := goCommand(ctx, controlplane, "run", ".", "build", "-version", r.asked)
	if err != nil {
		return err
	}
	return os.Symlink(strings.TrimSpace(plane), filepath.Join(out, "plane"))
}

// compile has the flags of hack/controlplane, and kubelet is a module of its own because it has the versions of it: what
// that has compiled is not compiled again.
func (r release) compile(ctx context.Context, dir, pkg, out string) error {
	ldflags := "-s -w"
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		parts := strings.SplitN(strings.TrimPrefix(r.version, "v"), ".", 3)
		ldflags += fmt.Sprintf(" -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s", pkg, r.version, parts[0], parts[1])
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
