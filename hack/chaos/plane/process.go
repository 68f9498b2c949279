package plane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

// Process is one process of a control plane.
type Process struct {
	Name string

	plane *Plane
	*running
}

// patience is how long a process may take to end, or to answer after it was started.
const patience = 2 * time.Minute

// Signal sends a signal, such as SIGSTOP and SIGCONT.
func (p *Process) Signal(signal syscall.Signal) {
	p.plane.t.Helper()
	if err := syscall.Kill(p.pid, signal); err != nil {
		p.plane.t.Fatalf("signal %s: %v", p.Name, err)
	}
}

// Kill ends it as a machine that fails does, and returns when it is gone.
func (p *Process) Kill() {
	p.plane.t.Helper()
	p.Signal(syscall.SIGKILL)
	harness.Eventually(p.plane.t, patience, p.Name+" is gone", func() error {
		if p.alive() {
			return errors.New("it still runs")
		}
		return nil
	})
}

// alive reports whether it runs; a process that nobody waited for yet does not.
func (r *running) alive() bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.pid))
	if err != nil {
		return false
	}
	_, rest, ok := strings.Cut(string(text), ") ") // the name in brackets is before; the state is next
	return ok && !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// Start starts it again after it was killed, with the same arguments and on the same data, and does not wait until it
// answers.
func (p *Process) Start() {
	p.plane.t.Helper()
	if p.alive() {
		p.plane.t.Fatalf("%s runs already", p.Name)
	}
	log, err := os.OpenFile(p.plane.file(p.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	harness.Must(p.plane.t, err)
	defer log.Close()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.plane.Dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	harness.Must(p.plane.t, cmd.Start())
	go func() { _ = cmd.Wait() }() // who asks whether it runs looks at the process itself
	p.pid = cmd.Process.Pid
	harness.Must(p.plane.t, p.plane.note(p.Name, p.pid))
}

// Ready waits until the API server answers, and with it etcd.
func (p *Plane) Ready() {
	p.t.Helper()
	config := rest.CopyConfig(p.Config)
	config.Timeout = 5 * time.Second
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	client, err := rest.UnversionedRESTClientFor(config)
	harness.Must(p.t, err)
	harness.Eventually(p.t, patience, "the API server is ready", func() error {
		code := 0
		client.Get().AbsPath("/readyz").Do(context.Background()).StatusCode(&code)
		if code != http.StatusOK {
			return fmt.Errorf("it answers %d", code)
		}
		return nil
	})
}
