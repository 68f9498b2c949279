package cases

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// controller is pullsecrets as it is shipped, as a process.
type controller struct {
	t      *testing.T
	binary string
	args   []string
	cmd    *exec.Cmd
	log    lockedBuffer
}

// Program builds pullsecrets.
func (c *Cluster) Program() string {
	c.T.Helper()
	binary := filepath.Join(c.T.TempDir(), "pullsecrets")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = c.root
	if out, err := build.CombinedOutput(); err != nil {
		c.T.Fatalf("%v\n%s", err, out)
	}
	return binary
}

func (c *Cluster) controller(binary string, args ...string) *controller {
	c.T.Helper()
	args = append([]string{"run", "-kubeconfig", c.Kubeconfig, "-namespace", Home, "-metrics-addr=", "-health-addr=", "-log-format=json"}, args...)
	p := &controller{t: c.T, binary: binary, args: args}
	p.start()
	c.T.Cleanup(func() {
		p.stop()
		if c.T.Failed() {
			c.T.Logf("the controller's log:\n%s", p.log.String())
		}
	})
	return p
}

func (p *controller) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.binary, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	must(p.t, p.cmd.Start())
}

func (p *controller) stop() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(os.Interrupt)
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("pullsecrets ended with %v", err)
	}
	p.cmd = nil
}

// restart makes it forget how often it has repaired what: it waits for minutes before it goes on in a long fight.
func (p *controller) restart() {
	p.t.Helper()
	p.stop()
	p.start()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
