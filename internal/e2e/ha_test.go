package e2e

import (
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

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// replica is a process of the program. It speaks to the API server through a proxy of its own, which notes what it
// writes, and can hold that up on the way, as a network does.
type replica struct {
	s      *sandbox
	name   string
	cmd    *exec.Cmd
	log    *lockedBuffer
	health string // its address, and that of the metrics
	metric string
	ended  chan struct{}
	writes atomic.Int32 // requests for writing, but for the Lease

	mu    sync.Mutex
	first time.Time     // when it wrote first
	last  time.Time     // when it wrote last
	held  chan struct{} // closed when writes may pass; nil if they may
	stuck int           // writes that are held up
}

// trio starts three replicas of the program, and returns them when all are ready.
func (s *sandbox) trio(pause time.Duration, change ...func(*rest.Config)) (all []*replica) {
	s.t.Helper()
	s.t.Cleanup(func() { // once they are gone
		err := s.client.Resource(leases).Namespace(home).Delete(s.ctx, "pullsecrets", metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			s.t.Error(err)
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

// theProgram is the program, built once.
var theProgram = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "pullsecrets-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "pullsecrets")
	if out, err := exec.Command("go", "build", "-o", path, "../..").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// replica starts a process, whose writes take pause longer than they would.
func (s *sandbox) replica(name string, pause time.Duration, change ...func(*rest.Config)) *replica {
	s.t.Helper()
	binary, err := theProgram()
	must(s.t, err)
	r := &replica{s: s, name: name, log: &lockedBuffer{}, ended: make(chan struct{}), health: freeAddress(s.t), metric: freeAddress(s.t)}
	config := rest.CopyConfig(s.config)
	for _, f := range change {
		f(config)
	}
	proxy := r.proxy(config, pause)
	kubeconfig := filepath.Join(s.t.TempDir(), "kubeconfig")
	must(s.t, os.WriteFile(kubeconfig, fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: c,
clusters: [{name: c, cluster: {server: %q}}], contexts: [{name: c, context: {cluster: c}}]}`, proxy), 0o600))
	r.cmd = exec.Command(binary, "run", "-leader-elect", "-kubeconfig", kubeconfig, "-namespace", home, "-workers", "2",
		"-health-addr", r.health, "-metrics-addr", r.metric, "-log-level", "debug", "-log-format", "json")
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	must(s.t, r.cmd.Start())
	go func() {
		defer close(r.ended)
		_ = r.cmd.Wait() // the exit status is in ProcessState
	}()
	s.t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.ended
		if s.t.Failed() {
			s.t.Logf("the log of %s:\n%s", name, r.log)
		}
	})
	return r
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func (r *replica) proxy(config *rest.Config, pause time.Duration) (address string) {
	r.s.t.Helper()
	target, err := url.Parse(config.Host)
	must(r.s.t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1 // watches
	proxy.Transport, err = rest.TransportFor(config)
	must(r.s.t, err)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		// What was sent arrives, whatever becomes of the process that sent it.
		if request.Method != http.MethodGet && !strings.Contains(request.URL.Path, "/leases") {
			time.Sleep(pause)
			r.note()
		}
		proxy.ServeHTTP(w, request)
	}))
	r.s.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// note notes a write, and waits while writes are held up.
func (r *replica) note() {
	r.writes.Add(1)
	r.mu.Lock()
	now := time.Now()
	if r.first.IsZero() {
		r.first = now
	}
	r.last = now
	held := r.held
	if held != nil {
		r.stuck++
	}
	r.mu.Unlock()
	if held != nil {
		<-held
	}
}

// hold holds up what the replica writes from now on, until release is called.
func (r *replica) hold() (release func()) {
	held := make(chan struct{})
	r.mu.Lock()
	r.held = held
	r.mu.Unlock()
	release = sync.OnceFunc(func() {
		r.mu.Lock()
		r.held = nil
		r.mu.Unlock()
		close(held)
	})
	r.s.t.Cleanup(release)
	return release
}

func (r *replica) signal(signal syscall.Signal) {
	r.s.t.Helper()
	must(r.s.t, r.cmd.Process.Signal(signal))
}

func (r *replica) ready() {
	r.s.t.Helper()
	r.s.eventually(r.name+" is ready", func() error {
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
	r.s.t.Helper()
	r.s.eventually("the metrics of "+r.name+" say it", func() error {
		response, err := http.Get("http://" + r.metric + "/metrics")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		for _, line := range lines {
			if err == nil && !strings.Contains(string(text), "\n"+line+"\n") {
				err = fmt.Errorf("no %s in:\n%s", line, ours(string(text)))
			}
		}
		return err
	})
}

// exits waits until the process ended, and returns its exit status.
func (r *replica) exits() int {
	r.s.t.Helper()
	select {
	case <-r.ended:
		return r.cmd.ProcessState.ExitCode()
	case <-time.After(patient):
		r.s.t.Fatalf("%s did not end", r.name)
		return 0
	}
}

// identity is what the replica has in the Lease, once it led.
func (r *replica) identity() string {
	for _, line := range (&running{log: r.log}).lines(`"message":"leading"`) {
		_, rest, _ := strings.Cut(line, `"identity":"`)
		name, _, _ := strings.Cut(rest, `"`)
		return name
	}
	return ""
}

// leader waits until one of the replicas has the Lease, and returns it and the others.
func (s *sandbox) leader(of []*replica) (leader *replica, others []*replica) {
	s.t.Helper()
	s.eventually("one of them has the Lease", func() error {
		lease, err := s.client.Resource(leases).Namespace(home).Get(s.ctx, "pullsecrets", metav1.GetOptions{})
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

const many = 60

// crowd makes many namespaces, each with an entry of somebody else in its list.
func (s *sandbox) crowd() (all []string) {
	s.t.Helper()
	for i := range many {
		ns := s.namespace(fmt.Sprintf("n%02d", i))
		s.merge(accounts, ns, "default", `{"imagePullSecrets":[{"name":"theirs"}]}`)
		all = append(all, ns)
	}
	return all
}

// served counts the namespaces that have a copy with this content.
func (s *sandbox) served(short, content string) (n int) {
	s.t.Helper()
	list, err := s.client.Resource(secrets).List(s.ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + s.name(short)})
	must(s.t, err)
	for i := range list.Items {
		if contentOf(&list.Items[i]) == content {
			n++
		}
	}
	return n
}

// midway waits until some, but not all of the crowd have a copy with this content.
func (s *sandbox) midway(short, content string) {
	s.t.Helper()
	s.eventually("the roll-out is under way", func() error {
		if n := s.served(short, content); n < many/6 {
			return fmt.Errorf("%d are served", n)
		}
		return nil
	})
}

// wantCrowd waits until the whole crowd has these copies with this content and these names, after that of somebody
// else.
func (s *sandbox) wantCrowd(all []string, content string, shorts ...string) {
	s.t.Helper()
	want := []string{"theirs"}
	for _, short := range shorts {
		s.eventually(fmt.Sprintf("all have the copy %s", short), func() error {
			if n := s.served(short, content); n != many {
				return fmt.Errorf("%d of %d have it", n, many)
			}
			return nil
		})
		want = append(want, "+"+short)
	}
	for _, ns := range all {
		s.wantList(ns, "default", want...)
	}
}

// tookOver is how long it took from an event until this replica wrote.
func (r *replica) tookOver(since time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first.Sub(since).Round(10 * time.Millisecond)
}

// idle checks that replicas wrote nothing at all.
func idle(t *testing.T, all ...*replica) {
	t.Helper()
	for _, r := range all {
		if n := r.writes.Load(); n > 0 {
			t.Errorf("%s stood by, and wrote %d times", r.name, n)
		}
	}
}

// slowly is how long a write takes on its way, so that a roll-out takes long enough to be disturbed.
const slowly = 15 * time.Millisecond

func TestALeaderThatIsKilledInTheMiddleIsSucceeded(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	all := s.crowd()
	three := s.trio(slowly)
	first, others := s.leader(three)
	s.policy(oneRule)
	s.midway("reg", credential("hub.example", "one"))
	idle(t, others...)

	killed := time.Now()
	first.signal(syscall.SIGKILL)
	first.exits()
	if n := s.served("reg", credential("hub.example", "one")); n == many {
		t.Fatal("the roll-out was over before the leader was killed")
	}
	second, others := s.leader(others)
	s.wantCrowd(all, credential("hub.example", "one"), "reg")
	s.wantStatus("Ready")
	idle(t, others...)
	t.Logf("killed: the next leader wrote after %s", second.tookOver(killed))
}

func TestALeaderThatStopsInTheMiddleHandsOver(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	all := s.crowd()
	three := s.trio(slowly)
	first, others := s.leader(three)
	if _, err := s.purge(); err == nil || !strings.Contains(err.Error(), first.identity()+" is at work") {
		t.Errorf("a purge beside a leader said: %v", err)
	}
	s.policy(oneRule)
	s.midway("reg", credential("hub.example", "one"))

	stopped := time.Now()
	first.signal(syscall.SIGTERM)
	if status := first.exits(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	second, others := s.leader(others)
	s.wantCrowd(all, credential("hub.example", "one"), "reg")
	s.wantStatus("Ready")
	idle(t, others...)
	if !second.first.After(first.last) {
		t.Error("both wrote at a time")
	}
	t.Logf("stopped: the next leader wrote after %s", second.tookOver(stopped))
}

// TestALeaderThatSleptRevertsNothing stops a leader in the middle of a roll-out, with writes on their way. While it
// sleeps the others take over, the credential is rotated and the policy gets a second copy. Then what the old leader
// sent arrives, and it goes on.
func TestALeaderThatSleptRevertsNothing(t *testing.T) {
	s := newSandbox(t)
	one, two := credential("hub.example", "one"), credential("hub.example", "two")
	s.source("hub", one)
	all := s.crowd()
	three := s.trio(slowly)
	first, others := s.leader(three)
	s.policy(oneRule)
	s.midway("reg", one)

	release := first.hold()
	s.eventually("writes are on their way", func() error {
		first.mu.Lock()
		defer first.mu.Unlock()
		if first.stuck == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	slept := time.Now()
	first.signal(syscall.SIGSTOP)
	if n := s.served("reg", one); n == many {
		t.Fatal("the roll-out was over before the leader was stopped")
	}
	s.source("hub", two)
	second, others := s.leader(others)
	s.revised("Ready", oneRule+`
- name: more
  secrets: [{source: {name: hub}, name: PREFIXmore}]
  namespaces: {include: ["PREFIX*"]}
`)
	s.wantCrowd(all, two, "reg", "more")
	t.Logf("stopped by a signal: the next leader wrote after %s", second.tookOver(slept))
	s.wantStatusOf(many) // the leader counts up to 5 s after the last namespace
	before := s.versions(all)

	sent := first.writes.Load()
	release() // while the process sleeps: what it sent before arrives
	first.signal(syscall.SIGCONT)
	if status := first.exits(); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	if lines := (&running{log: first.log}).lines("the Lease was lost"); len(lines) == 0 {
		t.Error("no line says why it ended")
	}
	if n := first.writes.Load(); n != sent {
		t.Errorf("it sent %d more writes after it slept", n-sent)
	}
	for object, version := range s.versions(all) {
		if before[object] != version {
			t.Errorf("%s was written after the old leader woke", object)
		}
	}
	s.wantStatus("Ready")
	if leader, _ := s.leader(append(others, second)); leader != second {
		t.Errorf("%s leads now", leader.name)
	}
	idle(t, others...)
}

// TestALeaderThatSleptTakesTheLeaseFromNobody tells a leader to end that others took over from in its sleep. It gives
// back a Lease on ending, but only its own.
func TestALeaderThatSleptTakesTheLeaseFromNobody(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	first, others := s.leader(s.trio(0))
	s.revised("Ready", oneRule)
	first.signal(syscall.SIGSTOP)
	second, _ := s.leader(others)
	before := s.transitions()
	first.signal(syscall.SIGTERM)
	first.signal(syscall.SIGCONT)
	first.exits()
	s.source("hub", credential("hub.example", "two"))
	s.wantCopy(ns, "reg", credential("hub.example", "two"))
	if leader, _ := s.leader(others); leader != second || s.transitions() != before {
		t.Errorf("the Lease changed hands: %s has it, after %d instead of %d transitions", leader.name, s.transitions(), before)
	}
}

func (s *sandbox) transitions() int64 {
	s.t.Helper()
	n, _, _ := unstructured.NestedInt64(s.get(leases, home, "pullsecrets").Object, "spec", "leaseTransitions")
	return n
}

// versions are the resourceVersions of all that is kept in a crowd, and of the status.
func (s *sandbox) versions(all []string) map[string]string {
	s.t.Helper()
	out := map[string]string{"status": s.get(configMaps, home, "pullsecrets-status").GetResourceVersion()}
	for _, ns := range all {
		out[ns+" default"] = s.get(accounts, ns, "default").GetResourceVersion()
		for _, short := range []string{"reg", "more"} {
			out[ns+" "+short] = s.get(secrets, ns, s.name(short)).GetResourceVersion()
		}
	}
	return out
}

// TestAStandbyIsReadyAndWritesNothing runs with the token and the roles of a real installation.
func TestAStandbyIsReadyAndWritesNothing(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	s.grant(oneRule)
	ns := s.namespace("a")
	three := s.trio(0, with(s.token()))
	leader, others := s.leader(three)
	s.revised("Ready", oneRule)
	s.source("hub", credential("hub.example", "two"))
	s.wantCopy(ns, "reg", credential("hub.example", "two"))
	s.policyText("nothing of a policy", "pullsecrets/revision=bad")
	s.wantStatus("Invalid")
	for _, r := range three {
		r.ready()
	}
	leader.wantMetrics(`pullsecrets_leader 1`, `pullsecrets_policy_state{state="Invalid"} 1`)
	for _, r := range others {
		r.wantMetrics(`pullsecrets_leader 0`, `pullsecrets_policy_state{state="Invalid"} 0`, `pullsecrets_policy_state{state="Ready"} 0`)
	}
	idle(t, others...)
	if leader.writes.Load() == 0 {
		t.Error("the proxy saw no write of the leader either")
	}
}

func TestALeaseThatIsNotPermittedIsReported(t *testing.T) {
	s := newSandbox(t)
	r := s.replica("a replica without roles", 0, with(s.token()))
	s.eventually("the missing verb is named", func() error {
		if len((&running{log: r.log}).lines("cannot take part in the leader election", `cannot get resource \"leases\"`)) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	idle(t, r)
}

// TestTheComponentForTwoReplicas has the API server take what the component makes of the base.
func TestTheComponentForTwoReplicas(t *testing.T) {
	s := newSandbox(t)
	seen := 0
	for doc := range strings.SplitSeq(withComponent(t, "ha"), "\n---\n") {
		u := &unstructured.Unstructured{}
		must(t, yaml.Unmarshal([]byte(doc), &u.Object))
		if kind := u.GetKind(); kind == "Deployment" || kind == "PodDisruptionBudget" {
			s.manifest(u)
			seen++
		}
	}
	if seen != 2 {
		t.Fatalf("it has %d of them", seen)
	}
	apps := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	budgets := schema.GroupVersionResource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}
	deployment := s.get(apps, home, "pullsecrets").Object
	containers, _, _ := unstructured.NestedSlice(deployment, "spec", "template", "spec", "containers")
	got := []any{containers[0].(map[string]any)["args"]}
	for _, path := range []string{"spec.replicas", "spec.strategy.type", "spec.selector.matchLabels"} {
		value, _, _ := unstructured.NestedFieldNoCopy(deployment, strings.Split(path, ".")...)
		got = append(got, value)
	}
	budget := s.get(budgets, home, "pullsecrets").Object
	for _, path := range []string{"spec.minAvailable", "spec.selector.matchLabels"} {
		value, _, _ := unstructured.NestedFieldNoCopy(budget, strings.Split(path, ".")...)
		got = append(got, value)
	}
	label := map[string]any{"app.kubernetes.io/name": "pullsecrets"}
	want := []any{[]any{"run", "-leader-elect"}, int64(2), "RollingUpdate", label, int64(1), label}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
