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

// version is that of k8s.io/kubernetes in go.mod. The binaries have to be told, or kubectl refuses to talk to them.
const version = "v1.37.2"

var binaries = []string{"kube-apiserver", "kube-controller-manager", "kubectl", "server"} // server is etcd's package name

// build returns the folder of the binaries, and makes them first if these versions were not built before.
func build(ctx context.Context) (string, error) {
	source, err := moduleDir()
	if err != nil {
		return "", err
	}
	bin, err := cacheDir(source)
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
	fmt.Fprintf(os.Stderr, "building kube-apiserver %s, etcd, kube-controller-manager and kubectl from source; "+
		"about 12 minutes on two cores, once\n", version)
	tmp, err := os.MkdirTemp(filepath.Dir(bin), "building-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := compile(ctx, source, tmp); err != nil {
		return "", err
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
func cacheDir(source string) (string, error) {
	h := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(source, name))
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
	return filepath.Join(parent, fmt.Sprintf("%s-%x", version, h.Sum(nil)[:6])), os.MkdirAll(parent, 0o755)
}

func complete(bin string) bool {
	for _, name := range binaries {
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

func compile(ctx context.Context, source, out string) error {
	ldflags := "-s -w"
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
		ldflags += fmt.Sprintf(" -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s", pkg, version, parts[0], parts[1])
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-v", "-trimpath", "-ldflags", ldflags, "-o", out, "tool")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly -buildvcs=false", "GOWORK=off")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	report := progress(source)
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
