package program_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/hack/chaos/program"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

// nowhere is a kubeconfig of an API server that does not answer: the process runs all the same.
func nowhere(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	harness.Must(t, os.WriteFile(path, []byte(`{apiVersion: v1, kind: Config, current-context: c,
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}], contexts: [{name: c, context: {cluster: c}}]}`), 0o600))
	return path
}

// serves waits until the process answers for its metrics.
func serves(t *testing.T, p *program.Program) {
	t.Helper()
	harness.Eventually(t, time.Minute, "it serves its metrics", func() error {
		text, err := p.Metrics()
		if err == nil && !strings.Contains(text, "pullsecrets_") {
			err = fmt.Errorf("no metrics of ours in:\n%s", text)
		}
		return err
	})
}

func TestFilesAreLimited(t *testing.T) {
	p := program.Start(t, program.Options{Kubeconfig: nowhere(t), Files: 256})
	serves(t, p)
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p.PID()))
	harness.Must(t, err)
	for line := range strings.Lines(string(limits)) {
		if strings.HasPrefix(line, "Max open files") && strings.Join(strings.Fields(line)[3:5], " ") != "256 256" {
			t.Error(line)
		}
	}
	if p.Ready() == nil {
		t.Error("it is ready without an API server")
	}
	if u := p.Usage(); u.Peak == 0 || u.CPU == 0 {
		t.Errorf("it used %+v", u)
	}
	if status := p.Stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// TestMemoryIsLimited gives it less than it needs to start.
func TestMemoryIsLimited(t *testing.T) {
	p := program.Start(t, program.Options{Kubeconfig: nowhere(t), Memory: 3 << 20})
	if status := p.Exits(); status != -1 || !p.OutOfMemory() {
		t.Errorf("exit status %d, out of memory: %t", status, p.OutOfMemory())
	}
}

func TestMemoryThatIsEnoughIsNoTrouble(t *testing.T) {
	p := program.Start(t, program.Options{Kubeconfig: nowhere(t), Memory: 256 << 20})
	serves(t, p)
	if status := p.Stop(); status != 0 || p.OutOfMemory() {
		t.Errorf("exit status %d, out of memory: %t", status, p.OutOfMemory())
	}
}

// TestTheClockJumps reads the wall clock from the times in the log.
func TestTheClockJumps(t *testing.T) {
	clock := program.NewClock(t)
	clock.Jump(-time.Hour)
	p := program.Start(t, program.Options{Binary: program.BuildWithClock(t), Kubeconfig: nowhere(t), Clock: clock, Args: []string{"-log-level", "debug"}})
	serves(t, p)
	logged := func() { // in this minute of the clock or the last one: "time":"2006-01-02T15:04…
		t.Helper()
		harness.Eventually(t, time.Minute, "the log has the time of the clock", func() error {
			for _, ago := range []time.Duration{0, time.Minute} {
				if len(p.Log.Lines(`"time":"`+clock.Now().Add(-ago).UTC().Format("2006-01-02T15:04"))) > 0 {
					return nil
				}
			}
			return fmt.Errorf("it is %s, which is not in:\n%s", clock.Now().UTC(), p.Log)
		})
	}
	logged()
	clock.Jump(2 * time.Hour)
	logged()
}
