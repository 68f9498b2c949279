package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// release is a version of Kubernetes that can be built here: a module that has its programs as tools.
type release struct {
	dir     string // the module's folder
	version string // of k8s.io/kubernetes there, such as v1.37.2; the binaries have to be told, or kubectl refuses to talk to them
	own     bool   // the module builds etcd too, which the earlier releases take from it
}

// etcd is the name of its package's last element but the version, and so of its binary.
const etcd = "server"

var kubernetes = []string{"kube-apiserver", "kube-controller-manager", "kubectl"}

func (r release) binaries() []string {
	if r.own {
		return append([]string{etcd}, kubernetes...)
	}
	return kubernetes
}

// releaseOf finds the one that a version such as 1.34 or 1.34.4 names; empty for the one that the tests are made for.
func releaseOf(version string) (release, error) {
	source, err := moduleDir()
	if err != nil {
		return release{}, err
	}
	own, err := releaseIn(source, true)
	if err != nil || version == "" || own.is(version) {
		return own, err
	}
	folders, err := filepath.Glob(filepath.Join(source, "versions", "*", "go.mod"))
	if err != nil {
		return release{}, err
	}
	var known []string
	for _, path := range folders {
		r, err := releaseIn(filepath.Dir(path), false)
		if err != nil {
			return release{}, err
		}
		if r.is(version) {
			return r, nil
		}
		known = append(known, strings.TrimPrefix(r.version, "v"))
	}
	known = append(known, strings.TrimPrefix(own.version, "v"))
	return release{}, fmt.Errorf("there is no version %q here: name one of %s", version, strings.Join(known, ", "))
}

func releaseIn(dir string, own bool) (release, error) {
	list := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")
	list.Dir, list.Env = dir, append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	out, err := list.Output()
	if err != nil {
		return release{}, fmt.Errorf("find the version in %s: %w", dir, err)
	}
	return release{dir: dir, version: strings.TrimSpace(string(out)), own: own}, nil
}

// is reports whether a version such as 1.34, 1.34.4 or v1.34.4 names this release.
func (r release) is(version string) bool {
	version = "v" + strings.TrimPrefix(version, "v")
	return r.version == version || strings.HasPrefix(r.version, version+".")
}

// build returns the folder of the release's binaries, and makes them first if these versions were not built before.
func build(ctx context.Context, version string) (string, error) {
	r, err := releaseOf(version)
	if err != nil {
		return "", err
	}
	bin, err := r.cacheDir()
	if err != nil {
		return "", err
	}
	unlock, err := lock(bin + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if complete(bin) {
		return bin, nil
	}
	server := "" // the folder that has etcd
	if !r.own {
		if server, err = build(ctx, ""); err != nil {
			return "", err
		}
	}
	fmt.Fprintf(os.Stderr, "building %s of Kubernetes %s from source; about 12 minutes on two cores, once\n",
		strings.Join(r.binaries(), ", "), r.version)
	tmp, err := os.MkdirTemp(filepath.Dir(bin), "building-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := r.compile(ctx, tmp); err != nil {
		return "", err
	}
	if !r.own {
		if err := os.Link(filepath.Join(server, etcd), filepath.Join(tmp, etcd)); err != nil {
			return "", err
		}
	}
	if err := os.RemoveAll(bin); err != nil {
		return "", err
	}
	return bin, os.Rename(tmp, bin)
}

// moduleDir is this module's folder: the binary is always run by go run from within it.
func moduleDir() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(dir) != "controlplane" {
		return "", fmt.Errorf("run this as: go -C hack/controlplane run . (%q is not its module: %v)", dir, err)
	}
	return dir, nil
}

// cacheDir depends on all that determines the binaries: the modules' versions and the toolchain.
func (r release) cacheDir() (string, error) {
	h := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(r.dir, name))
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
	parent := filepath.Join(cache, "pullsecrets", "controlplane")
	return filepath.Join(parent, fmt.Sprintf("%s-%x", r.version, h.Sum(nil)[:6])), os.MkdirAll(parent, 0o755)
}

func complete(bin string) bool {
	for _, name := range append([]string{etcd}, kubernetes...) {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			return false
		}
	}
	return true
}

// lock keeps two builds from doing the same work; the second finds the first one's result.
func lock(path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

func (r release) compile(ctx context.Context, out string) error {
	ldflags := "-s -w"
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		parts := strings.SplitN(strings.TrimPrefix(r.version, "v"), ".", 3)
		ldflags += fmt.Sprintf(" -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s", pkg, r.version, parts[0], parts[1])
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-v", "-trimpath", "-ldflags", ldflags, "-o", out, "tool")
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly -buildvcs=false", "GOWORK=off")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	report := progress(r.dir)
	var tail []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		report(lines.Text())
		tail = append(tail, lines.Text())
		tail = tail[max(0, len(tail)-20):]
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("build the control plane: %w\n%s", err, strings.Join(tail, "\n"))
	}
	return nil
}

// progress returns a function that is told of each line of go build -v, a compiled package each, and prints a line
// every 10 seconds.
func progress(source string) func(string) {
	list := exec.Command("go", "list", "-deps", "tool")
	list.Dir = source
	out, _ := list.Output()
	total := strings.Count(string(out), "\n")
	done, start, last := 0, time.Now(), time.Now()
	return func(line string) {
		if strings.HasPrefix(line, "go: ") {
			return // a module being downloaded
		}
		done++
		if time.Since(last) > 10*time.Second {
			last = time.Now()
			fmt.Fprintf(os.Stderr, "  %4d of at most %d packages compiled, %s\n", done, total, time.Since(start).Round(time.Second))
		}
	}
}
