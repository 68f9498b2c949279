package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// replica is a process of the program. It speaks to the API server through a proxy of its own, which notes what it
// writes, and can hold that up on the way, as a network does.
type replica struct {
	s      *sandbox
	name   string
	cmd    *exec.Cmd
	log    *harness.Buffer
	health string // its address, and that of the metrics
	metric string
	ended  chan struct{}
	writes atomic.Int32 // requests for writing, but for the Lease

	mu    sync.Mutex
	first time.Time     // when it wrote first
	last  time.Time     // when it wrote last
	held  chan struct{} // closed when writes may pass; nil if they may
	after int32         // so many writes pass before
	stuck int           // writes that are held up
}

// trio starts three replicas of the program, and returns them when all are ready.
func (s *sandbox) trio(pause time.Duration, change ...func(*rest.Config)) (all []*replica) {
	s.T.Helper()
	s.T.Cleanup(func() { // once they are gone
		err := s.Client.Resource(api.Leases).Namespace(api.Home).Delete(s.Ctx, "pullsecrets", metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			s.T.Error(err)
		}
	})
	for i := range 3 {
		all = append(all, s.replica(fmt.Sprintf("replica %d", i), pause, change...))
	}
	for _, r := range all {
		r.ready()
	}
	return all
}

// replica starts a process, whose writes take pause longer than they would.
func (s *sandbox) replica(name string, pause time.Duration, change ...func(*rest.Config)) *replica {
	s.T.Helper()
	return s.replicaOf(harness.Binary(s.T), name, pause, change...)
}

// replicaOf starts a process of another binary.
func (s *sandbox) replicaOf(binary, name string, pause time.Duration, change ...func(*rest.Config)) *replica {
	s.T.Helper()
	r := &replica{s: s, name: name, log: &harness.Buffer{}, ended: make(chan struct{}), health: freeAddress(s.T), metric: freeAddress(s.T)}
	config := rest.CopyConfig(s.Config)
	for _, f := range change {
		f(config)
	}
	proxy := r.proxy(config, pause)
	kubeconfig := filepath.Join(s.T.TempDir(), "kubeconfig")
	harness.Must(s.T, os.WriteFile(kubeconfig, fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: c,
clusters: [{name: c, cluster: {server: %q}}], contexts: [{name: c, context: {cluster: c}}]}`, proxy), 0o600))
	r.cmd = exec.Command(binary, "run", "-leader-elect", "-kubeconfig", kubeconfig, "-namespace", api.Home, "-workers", "2",
		"-health-addr", r.health, "-metrics-addr", r.metric, "-log-level", "debug", "-log-format", "json")
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	harness.Must(s.T, r.cmd.Start())
	go func() {
		defer close(r.ended)
		_ = r.cmd.Wait() // the exit status is in ProcessState
	}()
	s.T.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.ended
		if s.T.Failed() {
			s.T.Logf("the log of %s:\n%s", name, r.log)
		}
	})
	return r
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	harness.Must(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func (r *replica) proxy(config *rest.Config, pause time.Duration) (address string) {
	r.s.T.Helper()
	target, err := url.Parse(config.Host)
	harness.Must(r.s.T, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1 // watches
	proxy.Transport, err = rest.TransportFor(config)
	harness.Must(r.s.T, err)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		// What was sent arrives, whatever becomes of the process that sent it.
		if request.Method != http.MethodGet && !strings.Contains(request.URL.Path, "/leases") {
			request = request.WithContext(context.WithoutCancel(request.Context()))
			time.Sleep(pause)
			r.note()
		}
		proxy.ServeHTTP(w, request)
	}))
	r.s.T.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// note notes a write, and waits while writes are held up.
func (r *replica) note() {
	n := r.writes.Add(1)
	r.mu.Lock()
	now := time.Now()
	if r.first.IsZero() {
		r.first = now
	}
	r.last = now
	held := r.held
	if n <= r.after {
		held = nil
	}
	if held != nil {
		r.stuck++
	}
	r.mu.Unlock()
	if held != nil {
		<-held
	}
}

// hold holds up what the replica writes from now on, until release is called.
func (r *replica) hold() (release func()) { return r.holdAfter(0) }

// holdAfter lets so many writes pass before.
func (r *replica) holdAfter(writes int32) (release func()) {
	held := make(chan struct{})
	r.mu.Lock()
	r.held, r.after = held, r.writes.Load()+writes
	r.mu.Unlock()
	release = sync.OnceFunc(func() {
		r.mu.Lock()
		r.held = nil
		r.mu.Unlock()
		close(held)
	})
	r.s.T.Cleanup(release)
	return release
}

func (r *replica) signal(signal syscall.Signal) {
	r.s.T.Helper()
	harness.Must(r.s.T, r.cmd.Process.Signal(signal))
}

func (r *replica) ready() {
	r.s.T.Helper()
	r.s.Eventually(r.name+" is ready", func() error {
		response, err := http.Get("http://" + r.health + "/readyz")
		if err != nil {
			return err
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
}

// wantMetrics waits until the replica serves these.
func (r *replica) wantMetrics(lines ...string) {
	r.s.T.Helper()
	r.s.Eventually("the metrics of "+r.name+" say it", func() error {
		response, err := http.Get("http://" + r.metric + "/metrics")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		for _, line := range lines {
			if err == nil && !strings.Contains(string(text), "\n"+line+"\n") {
				err = fmt.Errorf("no %s in:\n%s", line, harness.OurMetrics(string(text)))
			}
		}
		return err
	})
}

// exits waits until the process ended, and returns its exit status.
func (r *replica) exits() int {
	r.s.T.Helper()
	select {
	case <-r.ended:
		return r.cmd.ProcessState.ExitCode()
	case <-time.After(harness.Patient):
		r.s.T.Fatalf("%s did not end", r.name)
		return 0
	}
}

// identity is what the replica has in the Lease, once it led.
func (r *replica) identity() string {
	for _, line := range r.log.Lines(`"message":"leading"`) {
		_, rest, _ := strings.Cut(line, `"identity":"`)
		name, _, _ := strings.Cut(rest, `"`)
		return name
	}
	return ""
}

// leader waits until one of the replicas has the Lease, and returns it and the others.
func (s *sandbox) leader(of []*replica) (leader *replica, others []*replica) {
	s.T.Helper()
	s.Eventually("one of them has the Lease", func() error {
		lease, err := s.Client.Resource(api.Leases).Namespace(api.Home).Get(s.Ctx, "pullsecrets", metav1.GetOptions{})
		if err != nil {
			return err
		}
		holder, _, _ := unstructured.NestedString(lease.Object, "spec", "holderIdentity")
		i := slices.IndexFunc(of, func(r *replica) bool { return holder != "" && r.identity() == holder })
		if i < 0 {
			return fmt.Errorf("%q has it", holder)
		}
		leader, others = of[i], slices.Delete(slices.Clone(of), i, i+1)
		return nil
	})
	return leader, others
}

// tookOver is how long it took from an event until this replica wrote.
func (r *replica) tookOver(since time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first.Sub(since).Round(10 * time.Millisecond)
}
