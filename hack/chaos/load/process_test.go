package load

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/hack/chaos/program"
)

// process is the program, with its profiles.
type process struct {
	*program.Program
	t       *testing.T
	profile string // its address
}

// start starts the program.
func start(t *testing.T, binary, kubeconfig string, args ...string) *process {
	t.Helper()
	p := &process{t: t, profile: program.FreeAddress(t)}
	p.Program = program.Start(t, program.Options{Binary: binary, Kubeconfig: kubeconfig, Memory: *memory << 20, Args: append([]string{"-pprof-addr", p.profile}, args...)})
	return p
}

// ready waits until it has read the cluster.
func (p *process) ready() {
	p.t.Helper()
	for deadline := time.Now().Add(10 * time.Minute); time.Now().Before(deadline) && p.Running(); time.Sleep(20 * time.Millisecond) {
		if p.Ready() == nil {
			return
		}
	}
	p.t.Fatalf("the program is not ready; its log ends with\n%s", p.tail(20))
}

// measured are its metrics, by name and labels; empty where it does not answer.
func (p *process) measured() map[string]float64 {
	out := map[string]float64{}
	text, err := p.Metrics()
	if err != nil {
		return out
	}
	for line := range strings.SplitSeq(text, "\n") {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			out[line[:i]], _ = strconv.ParseFloat(line[i+1:], 64)
		}
	}
	return out
}

// forgetPeak begins to measure the peak anew.
func (p *process) forgetPeak() {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.PID()), []byte("5"), 0o600)
}

func (p *process) tail(n int) string {
	lines := p.Log.Lines()
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
