// Package program is pullsecrets as a process of its own, as a pod has it: with limits, signals, and a clock that jumps.
package program

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// Options is what a process is started with.
type Options struct {
	Name       string // what the test calls it, where it has several
	Binary     string // as Build returns it; empty: that one
	Kubeconfig string
	Namespace  string   // its home; empty: api.Home
	Args       []string // besides "run", its place, its ports and the form of its log
	Env        []string // besides the test's own
	Memory     int64    // in bytes, as a cgroup's limit; 0 for none. The test is skipped where that cannot be set
	Files      uint64   // the descriptors that it may have open; 0 for the machine's limit
	Clock      *Clock   // of a binary of BuildWithClock
}

// Program is a process.
type Program struct {
	Log   *harness.Buffer // all that it printed
	Ended chan struct{}   // closed when it has ended

	t       *testing.T
	name    string
	cmd     *exec.Cmd
	group   *group
	health  string // addresses
	metrics string
}

// Build returns the path of the program, built once.
func Build(t *testing.T) string {
	t.Helper()
	return harness.Binary(t)
}

// Start starts a process. It is killed when the test ends.
func Start(t *testing.T, o Options) *Program {
	t.Helper()
	if o.Binary == "" {
		o.Binary = Build(t)
	}
	if o.Namespace == "" {
		o.Namespace = api.Home
	}
	if o.Name == "" {
		o.Name = "pullsecrets"
	}
	p := &Program{t: t, name: o.Name, Log: &harness.Buffer{}, Ended: make(chan struct{}), health: FreeAddress(t), metrics: FreeAddress(t)}
	args := append([]string{o.Binary, "run", "-kubeconfig", o.Kubeconfig, "-namespace", o.Namespace, "-health-addr", p.health,
		"-metrics-addr", p.metrics, "-log-format", "json"}, o.Args...)
	p.cmd = p.limited(o, args)
	p.cmd.Stdout, p.cmd.Stderr = p.Log, p.Log
	p.cmd.Env = append(os.Environ(), o.Env...)
	if o.Clock != nil {
		p.cmd.Env = append(p.cmd.Env, clockVariable+"="+o.Clock.path)
	}
	harness.Must(t, p.cmd.Start())
	go func() {
		defer close(p.Ended)
		_ = p.cmd.Wait() // the exit status is in ProcessState
	}()
	t.Cleanup(p.kill)
	return p
}

// limited is the command: a shell sets the limits of itself and becomes the program, so that it never runs without.
func (p *Program) limited(o Options, args []string) *exec.Cmd {
	var script []string
	if o.Memory > 0 {
		p.group = newGroup(p.t, o.Memory)
		script = append(script, "echo $$ >"+p.group.procs())
	}
	if o.Files > 0 {
		script = append(script, fmt.Sprintf("ulimit -n %d", o.Files)) // both limits, or Go would raise the soft one
	}
	if len(script) == 0 {
		return exec.Command(args[0], args[1:]...)
	}
	script = append(script, `exec "$@"`)
	return exec.Command("sh", append([]string{"-c", strings.Join(script, " && "), "sh"}, args...)...)
}

// FreeAddress is one of loopback that nobody listens on. It is of a host that nobody else uses: until the program listens on it, a
// connection of anybody else might get the port of a shared one.
func FreeAddress(t *testing.T) string {
	t.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" { // where all of 127.0.0.0/8 is loopback
		host = fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	harness.Must(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func (p *Program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.Ended
	if p.group != nil {
		p.group.remove()
	}
	if p.t.Failed() {
		lines := p.Log.Lines()
		p.t.Logf("the end of the log of %s, of %d lines:\n%s", p.name, len(lines), strings.Join(lines[max(0, len(lines)-40):], "\n"))
	}
}

// PID is the process's id.
func (p *Program) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal, such as SIGSTOP and SIGCONT.
func (p *Program) Signal(signal syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatalf("signal %s: %v", p.name, err)
	}
}

// Stop ends it as a pod is ended, and returns its exit status; -1 where a signal ended it.
func (p *Program) Stop() int {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	return p.Exits()
}

// Exits waits until it has ended, and returns its exit status; -1 where a signal ended it.
func (p *Program) Exits() int {
	p.t.Helper()
	select {
	case <-p.Ended:
	case <-time.After(2 * time.Minute):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // it tells what its goroutines wait for
		<-p.Ended
		p.t.Fatalf("%s does not end:\n%s", p.name, p.Log)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Running reports whether it has not ended.
func (p *Program) Running() bool {
	select {
	case <-p.Ended:
		return false
	default:
		return true
	}
}

// OutOfMemory reports whether its cgroup's limit ended it.
func (p *Program) OutOfMemory() bool {
	p.t.Helper()
	return p.group != nil && p.group.killed() > 0
}

// Ready reports what stands against it: an error where /readyz does not answer 200.
func (p *Program) Ready() error {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get("http://" + p.health + "/readyz")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("/readyz answers %s: %s", answer.Status, body)
	}
	return nil
}

// Metrics is what Prometheus would read.
func (p *Program) Metrics() (string, error) {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get("http://" + p.metrics + "/metrics")
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

// Leads reports whether it holds the Lease, by its own word.
func (p *Program) Leads() bool {
	text, err := p.Metrics()
	return err == nil && strings.Contains(text, "\npullsecrets_leader 1\n")
}

// Open is how many file descriptors it has open; 0 once it has ended.
func (p *Program) Open() int {
	all, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.PID()))
	return len(all)
}

// Usage is what a process has used so far.
type Usage struct {
	CPU  time.Duration
	Peak int64 // of resident memory, in bytes
	RSS  int64 // resident now, in bytes
}

// Usage returns what the kernel counted; the zero value once it has ended.
func (p *Program) Usage() (u Usage) {
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID())); err == nil {
		// The second field is the program's name in brackets, which may hold anything; utime and stime are 14 and 15.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		for _, i := range []int{11, 12} {
			ticks, _ := strconv.Atoi(fields[i])
			u.CPU += time.Duration(ticks) * time.Second / 100 // USER_HZ is 100 on every Linux
		}
	}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "VmHWM:":
			u.Peak = n << 10
		case "VmRSS:":
			u.RSS = n << 10
		}
	}
	return u
}
