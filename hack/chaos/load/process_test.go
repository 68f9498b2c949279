package load

import (
	"bufio"
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
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// process is the program, as a pod would run it.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	log     string
	health  string
	metrics string
	profile string
	ended   chan struct{}
}

// freePort is one that nobody listens on.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start starts the program.
func start(t *testing.T, binary, kubeconfig string, args ...string) *process {
	t.Helper()
	p := &process{t: t, log: filepath.Join(t.TempDir(), "log"), health: freePort(t), metrics: freePort(t), profile: freePort(t), ended: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(binary, append([]string{"run", "-kubeconfig", kubeconfig, "-namespace", api.Home, "-log-format", "json",
		"-health-addr", p.health, "-metrics-addr", p.metrics, "-pprof-addr", p.profile}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(p.stop)
	return p
}

// stop ends it as the kubelet does.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// ready waits until it has read the cluster.
func (p *process) ready() {
	p.t.Helper()
	for deadline := time.Now().Add(10 * time.Minute); time.Now().Before(deadline) && p.alive(); time.Sleep(20 * time.Millisecond) {
		answer, err := http.Get("http://" + p.health + "/readyz")
		if err != nil {
			continue
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return
		}
	}
	p.t.Fatalf("the program is not ready; its log ends with\n%s", p.tail(20))
}

// measured are its metrics, by name and labels; empty where it does not answer.
func (p *process) measured() map[string]float64 {
	out := map[string]float64{}
	answer, err := http.Get("http://" + p.metrics + "/metrics")
	if err != nil {
		return out
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		line := lines.Text()
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			out[line[:i]], _ = strconv.ParseFloat(line[i+1:], 64)
		}
	}
	return out
}

// sum adds up the samples of a metric.
func sum(metrics map[string]float64, name string) (total float64) {
	for key, value := range metrics {
		if key == name || strings.HasPrefix(key, name+"{") {
			total += value
		}
	}
	return total
}

// peak is how much resident memory it had at most since forgetPeak, in bytes, and cpu what it has used.
func (p *process) peak() int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.SplitSeq(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
			n, _ := strconv.Atoi(fields[1])
			return n << 10
		}
	}
	return 0
}

// forgetPeak begins to measure the peak anew.
func (p *process) forgetPeak() {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0o600)
}

// lines are how many lines its log has, and those of them with all of the words.
func (p *process) lines(words ...string) (all int, with []string) {
	f, err := os.Open(p.log)
	if err != nil {
		return 0, nil
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		all++
		has := true
		for _, word := range words {
			has = has && strings.Contains(lines.Text(), word)
		}
		if has && len(words) > 0 {
			with = append(with, lines.Text())
		}
	}
	return all, with
}

func (p *process) tail(n int) string {
	text, _ := os.ReadFile(p.log)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// profileTo keeps a profile of it in a file, to find what takes long.
func (p *process) profileTo(path, file string) {
	answer, err := http.Get("http://" + p.profile + "/debug/pprof/" + path)
	if err != nil {
		p.t.Log(err)
		return
	}
	defer answer.Body.Close()
	f, err := os.Create(file)
	if err != nil {
		p.t.Log(err)
		return
	}
	defer f.Close()
	_, _ = io.Copy(f, answer.Body)
}
