package e2e

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

const many = 60

// crowd makes many namespaces, each with an entry of somebody else in its list.
func (s *sandbox) crowd() (all []string) {
	s.T.Helper()
	for i := range many {
		ns := s.Namespace(fmt.Sprintf("n%02d", i))
		s.Merge(api.Accounts, ns, "default", `{"imagePullSecrets":[{"name":"theirs"}]}`)
		all = append(all, ns)
	}
	return all
}

// served counts the namespaces that have a copy with this content.
func (s *sandbox) served(short, content string) (n int) {
	s.T.Helper()
	list, err := s.Client.Resource(api.Secrets).List(s.Ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + s.Name(short)})
	harness.Must(s.T, err)
	for i := range list.Items {
		if api.Content(&list.Items[i]) == content {
			n++
		}
	}
	return n
}

// midway waits until some, but not all of the crowd have a copy with this content.
func (s *sandbox) midway(short, content string) {
	s.T.Helper()
	s.Eventually("the roll-out is under way", func() error {
		if n := s.served(short, content); n < many/6 {
			return fmt.Errorf("%d are served", n)
		}
		return nil
	})
}

// wantCrowd waits until the whole crowd has these copies with this content and these names, after that of somebody
// else.
func (s *sandbox) wantCrowd(all []string, content string, shorts ...string) {
	s.T.Helper()
	want := []string{"theirs"}
	for _, short := range shorts {
		s.Eventually(fmt.Sprintf("all have the copy %s", short), func() error {
			if n := s.served(short, content); n != many {
				return fmt.Errorf("%d of %d have it", n, many)
			}
			return nil
		})
		want = append(want, "+"+short)
	}
	for _, ns := range all {
		s.WantList(ns, "default", want...)
	}
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

func (s *sandbox) transitions() int64 {
	s.T.Helper()
	n, _, _ := unstructured.NestedInt64(s.Get(api.Leases, api.Home, "pullsecrets").Object, "spec", "leaseTransitions")
	return n
}

// versions are the resourceVersions of all that is kept in a crowd, and what the status holds.
func (s *sandbox) versions(all []string) map[string]string {
	s.T.Helper()
	out := map[string]string{"status": s.statusWithoutOthers()}
	for _, ns := range all {
		out[ns+" default"] = s.Get(api.Accounts, ns, "default").GetResourceVersion()
		for _, short := range []string{"reg", "more"} {
			out[ns+" "+short] = s.Get(api.Secrets, ns, s.Name(short)).GetResourceVersion()
		}
	}
	return out
}

// statusWithoutOthers is what the status holds, but for the number of all namespaces: those of earlier tests may still be going,
// and then the leader counts them.
func (s *sandbox) statusWithoutOthers() string {
	u := s.Get(api.ConfigMaps, api.Home, "pullsecrets-status")
	cm := cluster.NewConfigMap(u)
	record := status.Decode(cm.Data[status.KeyRecord])
	record.Namespaces = 0
	return fmt.Sprintf("%+v %s %x", record, cm.Data[status.KeyNames], cm.BinaryData[status.KeyPolicy])
}

func TestALeaderThatIsKilledInTheMiddleIsSucceeded(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	all := s.crowd()
	three := s.trio(slowly)
	first, others := s.leader(three)
	s.Policy(harness.OneRule)
	s.midway("reg", api.Credential("hub.example", "one"))
	idle(t, others...)

	killed := time.Now()
	first.signal(syscall.SIGKILL)
	first.exits()
	if n := s.served("reg", api.Credential("hub.example", "one")); n == many {
		t.Fatal("the roll-out was over before the leader was killed")
	}
	second, others := s.leader(others)
	s.wantCrowd(all, api.Credential("hub.example", "one"), "reg")
	s.WantStatus("Ready")
	idle(t, others...)
	t.Logf("killed: the next leader wrote after %s", second.tookOver(killed))
}

func TestALeaderThatStopsInTheMiddleHandsOver(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	all := s.crowd()
	three := s.trio(slowly)
	first, others := s.leader(three)
	if _, err := s.Purge(); err == nil || !strings.Contains(err.Error(), first.identity()+" is at work") {
		t.Errorf("a purge beside a leader said: %v", err)
	}
	s.Policy(harness.OneRule)
	s.midway("reg", api.Credential("hub.example", "one"))

	stopped := time.Now()
	first.signal(syscall.SIGTERM)
	if status := first.exits(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	second, others := s.leader(others)
	s.wantCrowd(all, api.Credential("hub.example", "one"), "reg")
	s.WantStatus("Ready")
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
	one, two := api.Credential("hub.example", "one"), api.Credential("hub.example", "two")
	s.Source("hub", one)
	all := s.crowd()
	three := s.trio(slowly)
	first, others := s.leader(three)
	s.Policy(harness.OneRule)
	s.midway("reg", one)

	release := first.hold()
	s.Eventually("writes are on their way", func() error {
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
	s.Source("hub", two)
	second, others := s.leader(others)
	s.Revised("Ready", harness.OneRule+`
- name: more
  secrets: [{source: {name: hub}, name: PREFIXmore}]
  namespaces: {include: ["PREFIX*"]}
`)
	s.wantCrowd(all, two, "reg", "more")
	t.Logf("stopped by a signal: the next leader wrote after %s", second.tookOver(slept))
	s.WantStatusOf("hub", many) // the leader counts up to 5 s after the last namespace
	s.WantStatusOf("more", many)
	before := s.versions(all)

	sent := first.writes.Load()
	release() // while the process sleeps: what it sent before arrives
	first.signal(syscall.SIGCONT)
	if status := first.exits(); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	if lines := first.log.Lines("the Lease was lost"); len(lines) == 0 {
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
	s.WantStatus("Ready")
	if leader, _ := s.leader(append(others, second)); leader != second {
		t.Errorf("%s leads now", leader.name)
	}
	idle(t, others...)
}

// TestALeaderThatSleptTakesTheLeaseFromNobody tells a leader to end that others took over from in its sleep. It gives
// back a Lease on ending, but only its own.
func TestALeaderThatSleptTakesTheLeaseFromNobody(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	first, others := s.leader(s.trio(0))
	s.Revised("Ready", harness.OneRule)
	first.signal(syscall.SIGSTOP)
	second, _ := s.leader(others)
	before := s.transitions()
	first.signal(syscall.SIGTERM)
	first.signal(syscall.SIGCONT)
	first.exits()
	s.Source("hub", api.Credential("hub.example", "two"))
	s.WantCopy(ns, "reg", api.Credential("hub.example", "two"))
	if leader, _ := s.leader(others); leader != second || s.transitions() != before {
		t.Errorf("the Lease changed hands: %s has it, after %d instead of %d transitions", leader.name, s.transitions(), before)
	}
}

// TestAStandbyIsReadyAndWritesNothing runs with the token and the roles of a real installation.
func TestAStandbyIsReadyAndWritesNothing(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Grant(harness.OneRule)
	ns := s.Namespace("a")
	three := s.trio(0, harness.WithToken(s.Token()))
	leader, others := s.leader(three)
	s.Revised("Ready", harness.OneRule)
	s.Source("hub", api.Credential("hub.example", "two"))
	s.WantCopy(ns, "reg", api.Credential("hub.example", "two"))
	s.PolicyText("nothing of a policy", "pullsecrets/revision=bad")
	s.WantStatus("Invalid")
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
	r := s.replica("a replica without roles", 0, harness.WithToken(s.Token()))
	s.Eventually("the missing verb is named", func() error {
		if len(r.log.Lines("cannot take part in the leader election", `cannot get resource \"leases\"`)) == 0 {
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
	for _, u := range harness.Objects(t, harness.WithComponent(t, "ha")) {
		if kind := u.GetKind(); kind == "Deployment" || kind == "PodDisruptionBudget" {
			s.Manifest(u)
			seen++
		}
	}
	if seen != 2 {
		t.Fatalf("it has %d of them", seen)
	}
	apps := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	budgets := schema.GroupVersionResource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}
	deployment := s.Get(apps, api.Home, "pullsecrets").Object
	containers, _, _ := unstructured.NestedSlice(deployment, "spec", "template", "spec", "containers")
	got := []any{containers[0].(map[string]any)["args"]}
	for _, path := range []string{"spec.replicas", "spec.strategy.type", "spec.selector.matchLabels"} {
		value, _, _ := unstructured.NestedFieldNoCopy(deployment, strings.Split(path, ".")...)
		got = append(got, value)
	}
	budget := s.Get(budgets, api.Home, "pullsecrets").Object
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
