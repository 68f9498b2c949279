package e2e

import (
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// TestARefusedRotationWritesNothing over 300 namespaces, and is told; then a good one rolls out.
func TestARefusedRotationWritesNothing(t *testing.T) {
	s, registry := newVerifySandbox(t, "one", "three")
	s.Alone() // the end of a namespace makes requests and changes the counts
	const n = 300
	s.Cluster.Patience = 3 * harness.Patient // of so many, on a busy machine
	for i := range n {
		s.Namespace(fmt.Sprintf("n%03d", i))
	}
	s.Source("hub", registry.credential("one"))
	r := s.Start()
	s.Revised("Ready", verified)
	s.WantStatusOf("hub", n)

	before := s.requests()
	rotated := time.Now()
	s.Source("hub", registry.credential("two"))
	s.WantStatus("Degraded", "SourceRefused", registry.host+" refuses the credential (401 Unauthorized: UNAUTHORIZED: incorrect password)", "copies that exist are kept")
	r.WantMetrics(fmt.Sprintf(`pullsecrets_problems{kind="Secret",reason="SourceRefused"} %d`, n),
		`pullsecrets_source_verified{source="pullsecrets/hub",verdict="Refused"} 1`, `pullsecrets_source_verified{source="pullsecrets/hub",verdict="Accepted"} 0`)
	t.Logf("refused over %d namespaces: told of all after %s", n, time.Since(rotated))
	if after := s.requests(); after["APPLY secrets"] != before["APPLY secrets"]+1 || others(before, after) {
		t.Errorf("more than the source was written: before %v, after %v", before, after)
	}
	if got := s.served("reg", registry.credential("one")); got != n {
		t.Errorf("%d of %d copies are as they were", got, n)
	}
	s.wantEvent("SourceRefused", "source pullsecrets/hub: "+registry.host+" refuses the credential")
	s.wantRemembered("Refused") // and so do those who ask the cluster
	_, text, errs := s.Command("explain", "-kubeconfig", s.Kubeconfig, s.Name("n000"))
	if !strings.Contains(text, "refuses the credential") {
		t.Errorf("explain does not tell it:\n%s%s", text, errs)
	}
	if status, text, errs := s.Command("plan", "-kubeconfig", s.Kubeconfig); status != 0 || !strings.Contains(text, "SourceRefused") {
		t.Errorf("plan has exit status %d:\n%s%s", status, text, errs)
	}

	s.Source("hub", registry.credential("three"))
	s.Eventually("the good credential is everywhere", func() error {
		if got := s.served("reg", registry.credential("three")); got != n {
			return fmt.Errorf("in %d of %d namespaces", got, n)
		}
		return nil
	})
	s.WantStatus("Ready")
	s.wantEvent("SourceAccepted", "source pullsecrets/hub")
	if times := registry.times("two"); times != 1 {
		t.Errorf("the registry was asked %d times about one credential", times)
	}
}

// others reports whether anything but secrets was written by an apply.
func others(before, after map[string]int) bool {
	before, after = maps.Clone(before), maps.Clone(after)
	for _, counts := range []map[string]int{before, after} {
		delete(counts, "APPLY secrets")
		maps.DeleteFunc(counts, func(of string, _ int) bool {
			return strings.HasSuffix(of, " configmaps") || strings.HasPrefix(of, "GET ")
		})
	}
	return !maps.Equal(before, after)
}

// TestWhatIsHeldIsNotRolledOutYet: neither is a policy called rolled out, nor loses anybody anything.
func TestWhatIsHeldIsNotRolledOutYet(t *testing.T) {
	s, registry := newVerifySandbox(t, "one", "two")
	registry.goes(true)
	s.Source("hub", registry.credential("one"))
	s.Start()
	s.Policy(verified, "pullsecrets/revision=held")
	early := s.newcomer("early")
	registry.wantAsked(s, "one", 2)
	s.WantList(early, "default", "+reg", "+free") // the copy is to come
	s.WantNoCopy(early, "reg")
	if got := s.Get(api.ConfigMaps, api.Home, "pullsecrets-policy").GetAnnotations()["pullsecrets/observed-revision"]; got == "held" {
		t.Error("the policy is told as rolled out, while its source is held")
	}
	registry.goes(false)
	s.WantCopy(early, "reg", registry.credential("one"))
	s.WantStatus("Ready")

	registry.goes(true) // and a rotation that waits
	s.Source("hub", registry.credential("two"))
	registry.wantAsked(s, "two", 2)
	late := s.newcomer("late")
	s.WantCopy(early, "reg", registry.credential("one"))
	s.WantList(early, "default", "+reg", "+free")
	s.WantNoCopy(late, "reg")
	s.WantStatusNow("Ready")
	registry.goes(false)
	for _, ns := range []string{early, late} {
		s.WantCopy(ns, "reg", registry.credential("two"))
	}
}

// TestNoAnswerIsNoRefusal: after a while it is rolled out, which is said until an answer comes.
func TestNoAnswerIsNoRefusal(t *testing.T) {
	s, registry := newVerifySandbox(t, "one")
	registry.goes(true)
	s.Patience.Window = 3 * time.Second
	ns := s.Namespace("a")
	s.Source("hub", registry.credential("one"))
	r := s.Start()
	s.Revised("Ready", verified)
	s.WantCopy(ns, "reg", registry.credential("one"))
	if registry.times("one") < 2 {
		t.Error("it was not asked again")
	}
	s.wantUnverified(true)
	s.wantEvent("SourceUnverified", "does not answer (503 Service Unavailable)")
	r.WantMetrics(`pullsecrets_source_verified{source="pullsecrets/hub",verdict="Unverified"} 1`)
	if _, text, errs := s.Command("explain", "-kubeconfig", s.Kubeconfig, ns); !strings.Contains(text, "SourceUnverified") {
		t.Errorf("explain does not tell it:\n%s%s", text, errs)
	}
	registry.goes(false)
	s.wantUnverified(false)
	r.WantMetrics(`pullsecrets_source_verified{source="pullsecrets/hub",verdict="Accepted"} 1`)
}

// TestARestartRemembersWhatRegistriesSaid: what they refused stays refused, and what they took is given out at once, although
// they do not answer now.
func TestARestartRemembersWhatRegistriesSaid(t *testing.T) {
	s, registry := newVerifySandbox(t, "one")
	old := s.Namespace("old")
	s.Source("hub", registry.credential("one"))
	r := s.Start()
	s.Revised("Ready", verified)
	s.WantStatusOf("hub", 1)
	s.wantRemembered("Accepted")
	r.Stop()

	registry.goes(true)
	r = s.Start()
	s.WantCopy(s.newcomer("while-away"), "reg", registry.credential("one"))
	s.WantStatus("Ready")

	registry.goes(false)
	s.Source("hub", registry.credential("wrong"))
	s.WantStatus("Degraded", "SourceRefused")
	s.wantRemembered("Refused")
	r.Stop()

	registry.goes(true) // no answer is not a yes
	s.Start()
	late := s.newcomer("late")
	s.WantNoCopy(late, "reg")
	s.WantList(late, "default", "+free")
	s.WantCopy(old, "reg", registry.credential("one"))
	s.WantStatusNow("Degraded", "SourceRefused")
	if n := registry.times("wrong"); n != 1 {
		t.Errorf("it was asked %d times about what it refused", n)
	}
	registry.goes(false)
	s.Source("hub", registry.credential("one"))
	s.WantCopy(late, "reg", registry.credential("one"))
	s.WantStatus("Ready")
}

// wantRemembered waits until the status has a verdict for the restart to come.
func (s *sandbox) wantRemembered(verdict string) {
	s.T.Helper()
	version := s.Get(api.Secrets, api.Home, "hub").GetResourceVersion()
	s.Eventually("the status remembers it", func() error {
		data, _ := s.Get(api.ConfigMaps, api.Home, "pullsecrets-status").Object["data"].(map[string]any)
		text, _ := data["status.json"].(string)
		if !strings.Contains(text, `"verdict": "`+verdict+`"`) || !strings.Contains(text, `"resourceVersion": "`+version+`"`) {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
}

// TestARevokedCredentialIsTold at the next question, and new namespaces do not get it.
func TestARevokedCredentialIsTold(t *testing.T) {
	s, registry := newVerifySandbox(t, "one")
	s.Patience.Interval = 3 * time.Second
	ns := s.Namespace("a")
	s.Source("hub", registry.credential("one"))
	r := s.Start()
	s.Revised("Ready", verified)
	before := s.WantCopy(ns, "reg", registry.credential("one"))
	registry.wantAsked(s, "one", 3)
	registry.takes()
	s.WantStatus("Degraded", "SourceRefused")
	s.WantNoCopy(s.newcomer("late"), "reg")
	if after := s.WantCopy(ns, "reg", registry.credential("one")); after.GetResourceVersion() != before.GetResourceVersion() {
		t.Error("the copy was written")
	}
	registry.takes("one")
	s.WantStatus("Ready")
	s.WantCopy(s.Name("late"), "reg", registry.credential("one"))
	if lines := r.Lines("SourceUnverified"); len(lines) > 0 {
		t.Errorf("it answered all the time: %s", lines)
	}
}

// TestVerifyIsTurnedOnAndOff by an edit of the policy.
func TestVerifyIsTurnedOnAndOff(t *testing.T) {
	s, registry := newVerifySandbox(t, "one")
	ns := s.Namespace("a")
	s.Source("hub", registry.credential("wrong"))
	s.Start()
	s.Revised("Ready", unverified)
	before := s.WantCopy(ns, "reg", registry.credential("wrong"))
	if n := registry.times("wrong"); n > 0 {
		t.Errorf("nobody wanted it verified, and the registry was asked %d times", n)
	}
	s.Revised("Degraded", verified)
	s.WantStatus("Degraded", "SourceRefused")
	if after := s.WantCopy(ns, "reg", registry.credential("wrong")); after.GetResourceVersion() != before.GetResourceVersion() {
		t.Error("the copy was written")
	}
	s.Revised("Ready", unverified)
	s.WantCopy(s.newcomer("b"), "reg", registry.credential("wrong"))
}

// TestASingleRunWaitsForRegistries and fails where one refuses.
func TestASingleRunWaitsForRegistries(t *testing.T) {
	s, registry := newVerifySandbox(t, "one")
	ns := s.Namespace("a")
	s.Source("hub", registry.credential("one"))
	s.Policy(verified)
	s.Once(0, "-registry-plain-http", registry.host)
	s.WantCopy(ns, "reg", registry.credential("one"))
	s.Source("hub", registry.credential("wrong"))
	p := s.Once(1, "-registry-plain-http", registry.host)
	if !strings.Contains(p.Errors.String(), "SourceRefused") {
		t.Errorf("it does not say why: %s", p.Errors)
	}
	s.WantCopy(ns, "reg", registry.credential("one"))
}

// TestTheNextLeaderKnowsWhatRegistriesSaid, and a standby asks nobody.
func TestTheNextLeaderKnowsWhatRegistriesSaid(t *testing.T) {
	s, registry := newVerifySandbox(t, "one")
	t.Setenv("PULLSECRETS_REGISTRY_PLAIN_HTTP", registry.host)
	old := s.Namespace("old")
	s.Source("hub", registry.credential("one"))
	first, others := s.leader(s.trio(0))
	s.Revised("Ready", verified)
	s.WantCopy(old, "reg", registry.credential("one"))
	s.Source("hub", registry.credential("wrong"))
	s.WantStatus("Degraded", "SourceRefused")
	s.wantRemembered("Refused")
	if registry.times("one") != 1 || registry.times("wrong") != 1 {
		t.Errorf("one leads, and the registry was asked %d and %d times", registry.times("one"), registry.times("wrong"))
	}
	idle(t, others...)

	registry.goes(true)
	first.signal(syscall.SIGKILL)
	first.exits()
	s.leader(others)
	late := s.newcomer("late")
	s.WantNoCopy(late, "reg")
	s.WantList(late, "default", "+free")
	s.WantCopy(old, "reg", registry.credential("one"))
	s.WantStatusNow("Degraded", "SourceRefused")
}
