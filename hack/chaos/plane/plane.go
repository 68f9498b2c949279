// Package plane is a control plane of a test's own, whose processes the test may kill, stop and start again.
package plane

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// The names of a control plane's processes.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
)

// Plane is a control plane that runs until it is closed.
type Plane struct {
	Dir        string // its data, its logs, and what hack/controlplane knows of it
	Kubeconfig string // the administrator's
	Config     *rest.Config
	Client     dynamic.Interface

	t         *testing.T
	hold      io.Closer
	command   *exec.Cmd
	processes map[string]*running
}

// running is a process as all tests of a control plane know it.
type running struct {
	pid  int
	args []string
}

// Up starts a control plane that ends with the test.
func Up(t *testing.T, args ...string) *Plane {
	t.Helper()
	p, err := New(args...)
	harness.Must(t, err)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("the control plane did not end well: %v", err)
		}
	})
	return p.For(t)
}

// New starts a control plane for several tests, each of which calls For. It ends when it is closed, and also when this
// process is killed: the command that it runs for reads from this process, and ends when there is nobody left to read
// from.
func New(args ...string) (*Plane, error) {
	builder, err := controlplane()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "plane-")
	if err != nil {
		return nil, err
	}
	p := &Plane{Dir: dir, processes: map[string]*running{}}
	args = append([]string{"-C", builder, "run", ".", "run", "-dir", p.Dir}, args...)
	p.command = exec.Command("go", append(args, "--", "sh", "-c", "echo up; cat")...)
	p.command.Stderr = os.Stderr
	p.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an interrupt at the terminal reaches this process, and that one by it
	if p.hold, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "up\n" {
		return nil, errors.Join(fmt.Errorf("no control plane: it said %q (%v)", line, err), p.Close())
	}
	p.Kubeconfig = filepath.Join(p.Dir, "kubeconfig")
	if p.Config, p.Client, err = api.Connect(p.Kubeconfig); err == nil {
		err = p.read()
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// controlplane is the folder of the module that builds and starts one: tests run somewhere below the repository's.
func controlplane() (string, error) {
	at, err := os.Getwd()
	for ; err == nil && at != filepath.Dir(at); at = filepath.Dir(at) {
		dir := filepath.Join(at, "hack", "controlplane")
		if _, err := os.Stat(dir); err == nil {
			return dir, nil
		}
	}
	return "", errors.Join(errors.New("not within the repository"), err)
}

// For is the control plane as one test has it: what the test stopped goes on when it ends, and what it killed is started.
func (p *Plane) For(t *testing.T) *Plane {
	one := *p
	one.t = t
	t.Cleanup(func() {
		one.awaken()
		for name, r := range one.processes {
			if !r.alive() {
				one.Process(name).Start()
			}
		}
		if t.Failed() {
			one.keepLogs()
		}
	})
	return &one
}

// Close ends it, which removes its data.
func (p *Plane) Close() error {
	p.awaken()
	_ = p.hold.Close()
	return p.command.Wait() // it removes the folder
}

// Process returns one of them by its name.
func (p *Plane) Process(name string) *Process {
	p.t.Helper()
	r := p.processes[name]
	if r == nil {
		p.t.Fatalf("a control plane has no process %q", name)
	}
	return &Process{Name: name, plane: p, running: r}
}

const stateFile = "controlplane.json"

// state is what hack/controlplane keeps of a control plane, to stop it; the fields that are of interest here.
type state struct {
	Processes []struct {
		Name string
		PID  int
		Args []string
	}
}

func (p *Plane) read() error {
	text, err := os.ReadFile(p.file(stateFile))
	if err != nil {
		return err
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	for _, one := range s.Processes {
		p.processes[one.Name] = &running{pid: one.PID, args: one.Args}
	}
	return nil
}

// note writes down the id of a process that was started again, so that hack/controlplane ends that one.
func (p *Plane) note(name string, pid int) error {
	path := p.file(stateFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	list, _ := all["Processes"].([]any)
	for _, one := range list {
		if fields, ok := one.(map[string]any); ok && fields["Name"] == name {
			fields["PID"] = pid
		}
	}
	if text, err = json.MarshalIndent(all, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// awaken lets all processes go on that were stopped, or they could not end.
func (p *Plane) awaken() {
	for _, one := range p.processes {
		_ = syscall.Kill(one.pid, syscall.SIGCONT)
	}
}

// keepLogs prints the end of each log: the folder goes with the test.
func (p *Plane) keepLogs() {
	for name := range p.processes {
		text, err := os.ReadFile(p.file(name + ".log"))
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		p.t.Logf("the end of the log of %s:\n%s", name, strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
}

func (p *Plane) file(name string) string { return filepath.Join(p.Dir, name) }

// address finds what a process was told with a flag, such as --listen-client-urls.
func (p *Process) address(flag string) (string, error) {
	for _, arg := range p.args {
		if value, ok := strings.CutPrefix(arg, flag+"="); ok {
			return value, nil
		}
	}
	return "", fmt.Errorf("%s was started without %s", p.Name, flag)
}
