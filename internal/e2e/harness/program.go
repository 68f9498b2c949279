package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/cli"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/purge"
)

// Program is the command line as a user starts it, in this process.
type Program struct {
	Sandbox     *Sandbox
	Out, Errors *Buffer
	Status      int // once it ended
	Ended       chan struct{}
	Stop        func()
}

// Program starts pullsecrets with these arguments; PREFIX in them is the sandbox's. It ends with the test.
func (s *Sandbox) Program(args ...string) *Program {
	s.T.Helper()
	for i := range args {
		args[i] = s.Expand(args[i])
	}
	p := &Program{Sandbox: s, Out: &Buffer{}, Errors: &Buffer{}, Ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(s.Ctx)
	go func() {
		defer close(p.Ended)
		p.Status = cli.Main(ctx, args, strings.NewReader(""), p.Out, p.Errors)
	}()
	p.Stop = sync.OnceFunc(func() {
		cancel()
		<-p.Ended
	})
	s.T.Cleanup(func() {
		p.Stop()
		if s.T.Failed() {
			s.T.Logf("%s\nlog:\n%s\nstderr:\n%s", strings.Join(args, " "), p.Out, p.Errors)
		}
	})
	return p
}

// Once runs a pass to its end and wants this exit status.
func (s *Sandbox) Once(status int, args ...string) *Program {
	s.T.Helper()
	p := s.Program(append(args, "-runonce", "-kubeconfig", s.Kubeconfig, "-namespace", api.Home)...)
	<-p.Ended
	if p.Status != status {
		s.T.Fatalf("exit status %d, want %d: %s", p.Status, status, p.Errors)
	}
	return p
}

// Loop runs until the test ends.
func (s *Sandbox) Loop(args ...string) *Program {
	s.T.Helper()
	return s.Program(append(args, "-kubeconfig", s.Kubeconfig, "-namespace", api.Home)...)
}

// Lines returns the lines of its output that contain all of the words.
func (p *Program) Lines(words ...string) []string { return p.Out.Lines(words...) }

// Command runs the program in this process against the test's cluster.
func (s *Sandbox) Command(args ...string) (status int, stdout, stderr string) {
	s.T.Helper()
	var out, errs bytes.Buffer
	status = cli.Main(s.Ctx, args, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

// Dump writes the cluster to a file, as kubectl get does.
func (s *Sandbox) Dump() string {
	s.T.Helper()
	all := map[string]any{"apiVersion": "v1", "kind": "List"}
	var items []any
	for _, resource := range []schema.GroupVersionResource{api.Namespaces, api.Accounts, api.Secrets, api.ConfigMaps} {
		list, err := s.Client.Resource(resource).List(s.Ctx, metav1.ListOptions{})
		Must(s.T, err)
		for _, u := range list.Items {
			items = append(items, u.Object)
		}
	}
	all["items"] = items
	text, err := json.Marshal(all)
	Must(s.T, err)
	file := filepath.Join(s.T.TempDir(), "dump.json")
	Must(s.T, os.WriteFile(file, text, 0o600))
	return file
}

// Purge is what pullsecrets purge would do in this cluster.
func (s *Sandbox) Purge() (*purge.Purge, error) {
	return purge.New(s.Ctx, s.Client, inspect.Place{Namespace: api.Home, StatusName: "pullsecrets-status"}, zerolog.Nop())
}

// Binary returns the path of the program, built once, static as the image has it.
func Binary(t *testing.T) string {
	t.Helper()
	path, err := binary()
	Must(t, err)
	return path
}

var binary = sync.OnceValues(func() (string, error) {
	root, err := repository()
	if err != nil {
		return "", err
	}
	folder, err := os.MkdirTemp("", "pullsecrets-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "pullsecrets")
	build := exec.Command("go", "build", "-trimpath", "-o", path, ".")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})
