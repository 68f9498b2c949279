// Package plane is a control plane of a test's own, whose processes the test may kill, stop and start again.
package plane

import (
	"bufio"
	"encoding/json"
	"fmt"
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

// Plane is a control plane that runs until the test ends.
type Plane struct {
	Dir        string // its data, its logs, and what hack/controlplane knows of it
	Kubeconfig string // the administrator's
	Config     *rest.Config
	Client     dynamic.Interface

	t         *testing.T
	processes map[string]*Process
}

// Up starts a control plane. It ends with the test, and also when the test's process is killed: the command that it
// runs for reads from this process, and ends when there is nobody left to read from.
func Up(t *testing.T, args ...string) *Plane {
	t.Helper()
	p := &Plane{Dir: filepath.Join(t.TempDir(), "plane"), t: t}
	args = append([]string{"-C", filepath.Join(harness.Root(t), "hack", "controlplane"), "run", ".", "run", "-dir", p.Dir}, args...)
	cmd := exec.Command("go", append(args, "--", "sh", "-c", "echo up; cat")...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an interrupt at the terminal reaches this process, and that one by it
	hold, err := cmd.StdinPipe()
	harness.Must(t, err)
	out, err := cmd.StdoutPipe()
	harness.Must(t, err)
	harness.Must(t, cmd.Start())
	t.Cleanup(func() {
		p.awaken()
		if t.Failed() {
			p.keepLogs()
		}
		_ = hold.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the control plane did not end well: %v", err)
		}
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "up\n" {
		t.Fatalf("no control plane: it said %q (%v)", line, err)
	}
	p.Kubeconfig = filepath.Join(p.Dir, "kubeconfig")
	p.Config, p.Client, err = api.Connect(p.Kubeconfig)
	harness.Must(t, err)
	p.read()
	return p
}

// Process returns one of them by its name.
func (p *Plane) Process(name string) *Process {
	p.t.Helper()
	if p.processes[name] == nil {
		p.t.Fatalf("a control plane has no process %q", name)
	}
	return p.processes[name]
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

func (p *Plane) read() {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.Dir, stateFile))
	harness.Must(p.t, err)
	var s state
	harness.Must(p.t, json.Unmarshal(text, &s))
	p.processes = map[string]*Process{}
	for _, one := range s.Processes {
		p.processes[one.Name] = &Process{Name: one.Name, plane: p, pid: one.PID, args: one.Args}
	}
}

// note writes down the id of a process that was started again, so that hack/controlplane ends that one.
func (p *Plane) note(name string, pid int) error {
	path := filepath.Join(p.Dir, stateFile)
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
