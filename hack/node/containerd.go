package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

var runtimeNames = []string{"containerd", "containerd-shim-runc-v2", "ctr", "runc"}

// runtimePrograms puts containerd and runc into the folder: this machine's own, or Debian's packages, which are unpacked
// there and not installed. It has to be containerd 1: later ones put containers into cgroups, which only root may make.
func runtimePrograms(ctx context.Context, out string) error {
	if found := installed(ctx); found != nil {
		for name, path := range found {
			if err := os.Symlink(path, filepath.Join(out, name)); err != nil {
				return err
			}
		}
		return nil
	}
	tmp, err := os.MkdirTemp(out, "packages-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := unpack(ctx, tmp); err != nil {
		return fmt.Errorf("containerd 1 and runc are needed, from this machine or from its Debian packages: %w", err)
	}
	for _, name := range runtimeNames {
		paths, err := filepath.Glob(filepath.Join(tmp, "usr", "*bin", name))
		if err != nil || len(paths) == 0 {
			return errors.Join(err, fmt.Errorf("no %s in the packages containerd and runc", name))
		}
		if err := os.Rename(paths[len(paths)-1], filepath.Join(out, name)); err != nil {
			return err
		}
	}
	if !suitable(ctx, filepath.Join(out, "containerd")) {
		return errors.New("the package containerd is not of containerd 1, which is needed")
	}
	return nil
}

// installed are this machine's own programs, if it has all of them.
func installed(ctx context.Context) map[string]string {
	found := map[string]string{}
	for _, name := range runtimeNames {
		path, err := exec.LookPath(name)
		if err != nil {
			path, err = exec.LookPath("/usr/sbin/" + name) // where a user does not look
		}
		if err != nil {
			return nil
		}
		found[name] = path
	}
	if !suitable(ctx, found["containerd"]) {
		return nil
	}
	return found
}

func suitable(ctx context.Context, containerd string) bool {
	out, err := exec.CommandContext(ctx, containerd, "--version").Output()
	fields := strings.Fields(string(out)) // containerd github.com/containerd/containerd 1.6.20~ds1 ...
	return err == nil && len(fields) > 2 && strings.HasPrefix(strings.TrimPrefix(fields[2], "v"), "1.")
}

func unpack(ctx context.Context, dir string) error {
	fmt.Fprintln(os.Stderr, "unpacking the packages containerd and runc, 28 MB, without installing them")
	if _, err := output(ctx, dir, "apt-get", "download", "containerd", "runc"); err != nil {
		return err
	}
	packages, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	for _, file := range packages {
		if _, err := output(ctx, dir, "dpkg-deb", "-x", file, dir); err != nil {
			return err
		}
	}
	return nil
}

func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
