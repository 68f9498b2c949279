package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// process is what is measured: pullsecrets, or another program, as a process of its own.
type process struct {
	cmd    *exec.Cmd
	log    *os.File
	health string // address of /readyz, of pullsecrets only
	ended  chan struct{}
}

// copyBinaries has copies measured. The kernel keeps a file that a linker wrote in larger pieces than one that was copied, as an image's
// are, and so more of it counts as the process' memory: 3 MiB of 45 were seen.
func (c *config) copyBinaries() (remove func(), err error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	for i, file := range []*string{&c.binary, &c.before} {
		if *file == "" {
			continue
		}
		copied := filepath.Join(dir, fmt.Sprintf("%d-%s", i, filepath.Base(*file)))
		if err := copyFile(*file, copied); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		*file = copied
	}
	return func() { _ = os.RemoveAll(dir) }, nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// start starts pullsecrets as a pod would.
func (l *lab) start() (*process, error) { return l.startWith(l.kubeconfig) }

func (l *lab) startWith(kubeconfig string, environment ...string) (*process, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	health := free.Addr().String()
	_ = free.Close()
	args := []string{"run", "-kubeconfig", kubeconfig, "-namespace", api.Home, "-health-addr", health, "-log-format", "json"}
	if l.mode.guarded() {
		args = append(args, "-admission")
	}
	p := l.prepared(l.binary, args...)
	p.health = health
	p.cmd.Env = append(p.cmd.Env, environment...)
	if err := p.cmd.Start(); err != nil {
		return p, err
	}
	p.wait()
	return p, nil
}

// settling is a start on a converged cluster.
type settling struct {
	took         time.Duration // until the process had read it, from when it began
	server, etcd time.Duration // CPU of the API server and of etcd meanwhile
	asked        requests      // until it was quiet
}

// settled starts pullsecrets on a converged cluster and waits until it has read it, which is when it is ready, and was quiet.
func (l *lab) settled(environment ...string) (p *process, s settling, err error) {
	time.Sleep(100 * time.Millisecond) // what was asked last is counted
	before, err := l.requests()
	if err != nil {
		return nil, s, err
	}
	server, etcd := l.serverCPU(), l.etcdCPU()
	started := time.Now()
	p, err = l.startWith(l.kubeconfig, environment...)
	if err != nil {
		return nil, s, err
	}
	if err = p.ready(); err == nil {
		s.took = time.Since(started)
		s.server, s.etcd = l.serverCPU()-server, l.etcdCPU()-etcd
		time.Sleep(quiet)
		s.asked, err = l.requests()
	}
	if err != nil {
		p.stop()
		return nil, s, err
	}
	s.asked = s.asked.since(before)
	return p, s, nil
}

// ready waits until the process has read the cluster.
func (p *process) ready() error {
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-p.ended:
			return errors.New("pullsecrets ended before it was ready; -logs shows why")
		default:
		}
		answer, err := http.Get("http://" + p.health + "/readyz")
		if err != nil {
			continue
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return nil
		}
	}
	return errors.New("pullsecrets is not ready after 5 minutes; -logs shows why")
}

// prepared is a process that was not started.
func (l *lab) prepared(name string, args ...string) *process {
	p := &process{cmd: exec.Command(name, args...)}
	p.cmd.Env = os.Environ()
	if l.logs {
		p.cmd.Stdout, p.cmd.Stderr = os.Stderr, os.Stderr
	} else if p.log, _ = os.CreateTemp("", "bench-*.log"); p.log != nil {
		p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	}
	p.cmd.Env = append(p.cmd.Env, "KUBECONFIG="+l.kubeconfig, "PULLSECRETS_METRICS_ADDR=")
	return p
}

// usage is what a process has used so far.
type usage struct {
	CPU  time.Duration
	Peak int // of resident memory, in bytes
	RSS  int // resident now, in bytes
}

func (p *process) usage() (u usage) {
	pid := p.cmd.Process.Pid
	if _, fields := stat(fmt.Sprintf("/proc/%d/stat", pid)); fields != nil {
		u.CPU = cpuTime(fields)
	}
	if f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) < 2 {
				continue
			}
			n, _ := strconv.Atoi(fields[1])
			switch fields[0] {
			case "VmHWM:":
				u.Peak = n << 10
			case "VmRSS:":
				u.RSS = n << 10
			}
		}
	}
	return u
}

// wait has ended closed when the process is no more.
func (p *process) wait() {
	p.ended = make(chan struct{})
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
}

// stop ends the process, as a pod is ended.
func (p *process) stop() usage {
	u := p.usage()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if p.ended == nil { // its output was read until now
		p.wait()
	}
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	if p.log != nil {
		_ = p.log.Close()
		_ = os.Remove(p.log.Name())
	}
	return u
}
