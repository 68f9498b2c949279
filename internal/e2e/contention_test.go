package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// TestAFightSlowsDownAloneAndNamesTheOther has a GitOps tool that insists on its own list.
func TestAFightSlowsDownAloneAndNamesTheOther(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	var ours atomic.Int32
	r := s.Start(harness.Before(func(r *http.Request) {
		if harness.IsWrite(r, ns, "serviceaccounts", "default") {
			ours.Add(1)
		}
	}))
	s.Revised("Ready", harness.OneRule)
	s.WantList(ns, "default", "+reg")
	insist := func() {
		_, err := s.Client.Resource(api.Accounts).Namespace(ns).Patch(s.Ctx, "default", types.ApplyPatchType,
			[]byte(`{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"},"imagePullSecrets":[{"name":"git"}]}`),
			metav1.PatchOptions{FieldManager: "argocd-controller", Force: new(true)})
		harness.Must(t, err)
	}
	for deadline := time.Now().Add(4 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		insist()
	}
	if n := ours.Load(); n > 8 {
		t.Errorf("%d writes in 4 s of fighting", n)
	}
	lines := r.Lines("was undone and repaired", `argocd-controller`, "Argo CD: spec.ignoreDifferences", "RespectIgnoreDifferences=true")
	if len(lines) == 0 || strings.Contains(lines[0], "Flux") {
		t.Errorf("no line names the other and what ends the fight: %v", lines)
	}
	s.WantStatus("Degraded", "Contested", "argocd-controller")
	s.Eventually("there is an Event", func() error {
		list, err := s.Client.Resource(api.Events).Namespace(api.Home).List(s.Ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, e := range list.Items {
			if e.Object["reason"] == "Contested" {
				return nil
			}
		}
		return fmt.Errorf("none of %d events", len(list.Items))
	})
	var waited []time.Duration // the others keep their pace, if not each of them on a busy machine
	for try := 0; try < 3 && (try == 0 || waited[try-1] > 5*time.Second); try++ {
		other := s.Namespace(fmt.Sprintf("b-%d", try))
		started := time.Now()
		s.WantList(other, "default", "+reg")
		waited = append(waited, time.Since(started))
	}
	if waited[len(waited)-1] > 5*time.Second {
		t.Errorf("other namespaces waited %s", waited)
	}
	s.WantList(ns, "default", "git", "+reg") // the other one has stopped
	s.WantStatus("Ready")
}

func TestEveryKindOfFightBacksOff(t *testing.T) {
	for _, c := range []struct {
		why, rules string
		undo       func(s *sandbox, ns string)
		resource   string
		name       string
	}{
		{"an operator replaces the account, our ledger with it", harness.OneRule, func(s *sandbox, ns string) {
			u := s.Get(api.Accounts, ns, "default")
			u.SetAnnotations(nil)
			u.Object["imagePullSecrets"] = []any{map[string]any{"name": "operator"}}
			_, _ = s.Client.Resource(api.Accounts).Namespace(ns).Update(s.Ctx, u, metav1.UpdateOptions{FieldManager: "operator"})
		}, "serviceaccounts", "default"},
		{"somebody deletes our copy and makes his own", harness.Forced, func(s *sandbox, ns string) {
			_ = s.Client.Resource(api.Secrets).Namespace(ns).Delete(s.Ctx, s.Name("reg"), metav1.DeleteOptions{})
			_, _ = s.Client.Resource(api.Secrets).Namespace(ns).Create(s.Ctx, api.Secret(ns, s.Name("reg"), api.Credential("theirs.example", "x")), metav1.CreateOptions{FieldManager: "operator"})
		}, "secrets", "reg"},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := newSandbox(t)
			s.Source("hub", api.Credential("hub.example", "one"))
			ns := s.Namespace("a")
			var writes atomic.Int32
			name := c.name
			if c.resource == "secrets" {
				name = s.Name(name)
			}
			s.Start(harness.Counting(&writes, ns, c.resource, name)) // one that comes too late is refused, and changes nothing
			s.Revised("Ready", c.rules)
			began := time.Now()
			for ; time.Since(began) < 3*time.Second || writes.Load() < 3 && time.Since(began) < harness.Patient; time.Sleep(10 * time.Millisecond) {
				c.undo(s, ns)
			}
			if n := writes.Load(); n < 3 || n > 12 { // the first repairs are made at once
				t.Errorf("%d writes in %s", n, time.Since(began))
			}
			s.WantStatus("Degraded", "Contested")
			for range 20 { // also while the last repair stands
				s.WantStatusNow("Degraded", "Contested")
				c.undo(s, ns)
				time.Sleep(50 * time.Millisecond)
			}
			s.WantStatus("Ready") // once nobody undoes it
		})
	}
}

func TestTwoControllersThatDisagreeDoNotRewriteTheStatusForEver(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Namespace("a")
	var good, blind atomic.Int32
	count := func(writes *atomic.Int32) func(*http.Request) {
		return func(r *http.Request) {
			if harness.IsWrite(r, api.Home, "configmaps", "pullsecrets-policy") {
				writes.Add(1)
			}
		}
	}
	s.Start(harness.Before(count(&good)))
	s.Start(harness.Before(count(&blind)), harness.Around(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/namespaces/"+api.Home+"/secrets") {
			return harness.Forbidden(), nil
		}
		return next.RoundTrip(r)
	}))
	s.Policy(harness.OneRule)
	s.Eventually("both insist", func() error {
		if g, b := good.Load(), blind.Load(); g < 2 || b < 2 {
			return fmt.Errorf("%d and %d writes", g, b)
		}
		return nil
	})
	time.Sleep(4 * time.Second) // in which as many as the API server takes would be hundreds
	if n := good.Load() + blind.Load(); n > 20 {
		t.Errorf("%d writes of the annotations in 4 s", n)
	}
}

// TestTwoControllersAtOnceComeToRest covers an overlap, as when a new version starts before the old one has ended.
func TestTwoControllersAtOnceComeToRest(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	var all []string
	for i := range 8 {
		all = append(all, s.Namespace(fmt.Sprintf("n%d", i)))
	}
	one, two := s.Start(), s.Start()
	s.Revised("Ready", harness.OneRule)
	s.Source("hub", api.Credential("hub.example", "two"))
	for _, ns := range all {
		s.WantCopy(ns, "reg", api.Credential("hub.example", "two"))
		s.WantList(ns, "default", "+reg")
	}
	settled := s.Get(api.Accounts, all[0], "default").GetResourceVersion()
	s.Revised("Ready", harness.OneRule+"  force: true\n") // both pass over everything again
	if now := s.Get(api.Accounts, all[0], "default").GetResourceVersion(); now != settled {
		t.Error("they go on writing the same account")
	}
	for _, r := range []*harness.Running{one, two} {
		if bad := r.Reported(); len(bad) > 0 {
			t.Errorf("one of them has a problem with the other:\n%s", strings.Join(bad, "\n"))
		}
	}
	s.Revised("Ready", harness.NoRules)
	for _, ns := range all {
		s.WantList(ns, "default")
		s.WantNoCopy(ns, "reg")
	}
}

func TestARecreatedNamespaceIsNoFight(t *testing.T) {
	s := newSandbox(t)
	s.Alone() // or its namespaces wait behind those of earlier tests to be ended
	s.Source("hub", api.Credential("hub.example", "one"))
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	for range 5 {
		ns := s.Namespace("again")
		s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
		harness.Must(t, s.Client.Resource(api.Namespaces).Delete(s.Ctx, ns, metav1.DeleteOptions{}))
		s.Eventually("it is gone", func() error {
			if left := s.OwnNamespaces(); len(left) > 0 {
				return fmt.Errorf("%v", left)
			}
			return nil
		})
	}
	if lines := r.Lines("was undone and repaired"); len(lines) > 0 {
		t.Errorf("it counts as a fight: %s", lines[0])
	}
}

// TestAnAccountThatIsMadeAnewEachRunIsNoFight deletes and makes an account as a Helm hook does.
func TestAnAccountThatIsMadeAnewEachRunIsNoFight(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	r := s.Start()
	s.Revised("Ready", harness.OneRule+"  serviceAccounts: {include: [default, migrate]}\n")
	const runs = 8
	for range runs {
		s.Account(ns, "migrate")
		s.WantList(ns, "migrate", "+reg")
		s.Delete(api.Accounts, ns, "migrate")
	}
	s.Account(ns, "migrate")
	s.WantList(ns, "migrate", "+reg")
	s.WantStatus("Ready")
	s.wantNoFight(r)
	r.WantMetrics(fmt.Sprintf(`pullsecrets_actions_total{kind="ServiceAccount",reason="NamesMissing",rule="hub",verb="set-list"} %d`, runs+2) + "\n")
	if strings.Contains(r.Metrics(), `pullsecrets_reconciles_total{result="waiting"}`) {
		t.Error("something had to wait")
	}
}

// wantNoFight wants nothing to have counted as contention.
func (s *sandbox) wantNoFight(r *harness.Running) {
	s.T.Helper()
	if text := r.Metrics(); strings.Contains(text, "pullsecrets_fights_total{") || strings.Contains(text, `reason="Contested"`) {
		s.T.Errorf("something counts as contended:\n%s", harness.OurMetrics(text))
	}
	if lines := r.Lines("Contested"); len(lines) > 0 {
		s.T.Errorf("something is told as contended: %s", lines[0])
	}
}
