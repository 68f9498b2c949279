package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// platform is an operating system and an architecture, as Go names them.
type platform struct{ os, arch string }

var platforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
}

// name is how files of the platform are named.
func (p platform) name() string { return "pullsecrets_" + p.os + "_" + p.arch }

// program is the file of the program.
func (p platform) program() string {
	if p.os == "windows" {
		return "pullsecrets.exe"
	}
	return "pullsecrets"
}

// buildAll builds the program for every platform, and again from a copy of the tree in another folder and from nothing
// that the first build compiled, and holds the bytes against each other. It returns the programs by platform.
func (r *release) buildAll(ctx context.Context) (map[platform]string, error) {
	if out, err := goCommand(ctx, r.src, nil, "mod", "download"); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	programs := map[platform]string{}
	for _, p := range platforms {
		fmt.Printf("%s/%s\n", p.os, p.arch)
		first, err := buildOne(ctx, r.src, "", p, r.version)
		if err != nil {
			return nil, err
		}
		second, err := buildOne(ctx, r.again, r.cache, p, r.version)
		if err != nil {
			return nil, err
		}
		if err := same(first, second); err != nil {
			return nil, err
		}
		programs[p] = first
	}
	return programs, saysItsVersion(ctx, programs, r.version)
}

// buildOne builds as the Dockerfile does: no paths, no build id, no state of a repository.
func buildOne(ctx context.Context, src, cache string, p platform, version string) (string, error) {
	program := filepath.Join(src, "build", p.name(), p.program())
	env, err := buildEnvironment(ctx, p)
	if err != nil {
		return "", err
	}
	if cache != "" {
		env = append(env, "GOCACHE="+cache)
	}
	out, err := goCommand(ctx, src, env, "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X github.com/pullsecrets/pullsecrets/internal/cli.version="+version, "-o", program, ".")
	if err != nil {
		return "", fmt.Errorf("%s/%s: %w\n%s", p.os, p.arch, err, out)
	}
	return program, nil
}

// buildEnvironment takes away what a machine may have set, in its environment or with go env -w, that would decide the
// bytes. Where Go keeps its modules and what it compiled is the machine's own affair.
func buildEnvironment(ctx context.Context, p platform) ([]string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMODCACHE", "GOCACHE").Output()
	if err != nil {
		return nil, err
	}
	modules, compiled, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return []string{
		"GOOS=" + p.os, "GOARCH=" + p.arch, "CGO_ENABLED=0", "GOENV=off", "GOMODCACHE=" + modules, "GOCACHE=" + compiled,
		"GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=off", "GOFLAGS=", "GOEXPERIMENT=", "GOWORK=off", "GODEBUG=",
	}, nil
}

func goCommand(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	return cmd.CombinedOutput()
}

func same(first, second string) error {
	a, err := os.ReadFile(first)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(second)
	if err != nil {
		return err
	}
	if !bytes.Equal(a, b) {
		return fmt.Errorf("two builds differ: %s and %s", first, second)
	}
	return nil
}

// saysItsVersion runs the program of this machine's platform.
func saysItsVersion(ctx context.Context, programs map[platform]string, version string) error {
	program, ok := programs[platform{runtime.GOOS, runtime.GOARCH}]
	if !ok {
		return errors.New("no program that was built runs on this machine")
	}
	said, err := exec.CommandContext(ctx, program, "version").Output()
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(string(said)); got != "pullsecrets "+version {
		return fmt.Errorf("the program says %q, and it is %s", got, version)
	}
	return nil
}
