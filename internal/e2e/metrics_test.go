package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

func TestMetricsOfCopiesAndConflicts(t *testing.T) {
	s := newSandbox(t)
	r := s.Start()
	r.WantMetrics(`pullsecrets_policy_state{state="Missing"} 1`, `pullsecrets_oldest_unsynced_seconds 0`)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Namespace("a")
	foreign := s.Namespace("b")
	s.Create(api.Secrets, api.Secret(foreign, s.Name("reg"), api.Credential("theirs.example", "x")))
	s.Revised("Degraded", harness.OneRule)
	r.WantMetrics(
		`pullsecrets_actions_total{kind="Secret",reason="Missing",rule="hub",verb="create"} 1`,
		`pullsecrets_actions_total{kind="ServiceAccount",reason="NamesMissing",rule="hub",verb="set-list"} 1`,
		`pullsecrets_problems{kind="Secret",reason="ForeignSecret"} 1`,
		`pullsecrets_copies{rule="hub"} 1`,
		`pullsecrets_policy_state{state="Degraded"} 1`,
		`pullsecrets_policy_state{state="Ready"} 0`,
		`pullsecrets_oldest_unsynced_seconds 0`,
		`pullsecrets_queue_length 0`,
		`pullsecrets_leader 1`,
		`pullsecrets_held_prunes 0`,
		`pullsecrets_build_info{`,
		`pullsecrets_reconcile_duration_seconds_count`,
		fmt.Sprintf(`pullsecrets_policy_info{in_force=%q,observed=%[1]q} 1`, s.observed()),
	)
	s.checkSourceAge(r)
	s.PolicyText("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: nonsense\n")
	r.WantMetrics(`pullsecrets_policy_state{state="Invalid"} 1`, `pullsecrets_copies{rule="hub"} 1`)
	if strings.Contains(harness.OurMetrics(r.Metrics()), s.Prefix+"a") {
		t.Error("a namespace is a label")
	}
}

// checkSourceAge wants the source's time to be that of its last rotation.
func (s *sandbox) checkSourceAge(r *harness.Running) {
	s.T.Helper()
	var since time.Time
	for _, e := range s.Get(api.Secrets, api.Home, "hub").GetManagedFields() {
		since = e.Time.Time
	}
	r.WantMetrics(fmt.Sprintf(`pullsecrets_source_last_change_timestamp_seconds{source="%s/hub"} %v`, api.Home, float64(since.Unix())))
	s.Eventually("the clock of the API server goes on by a second", func() error {
		s.Source("hub", api.Credential("hub.example", fmt.Sprint(time.Now().UnixNano())))
		if e := s.Get(api.Secrets, api.Home, "hub").GetManagedFields()[0]; !e.Time.After(since) {
			return errors.New("not yet")
		}
		return nil
	})
	since = s.Get(api.Secrets, api.Home, "hub").GetManagedFields()[0].Time.Time
	r.WantMetrics(fmt.Sprintf(`pullsecrets_source_last_change_timestamp_seconds{source="%s/hub"} %v`, api.Home, float64(since.Unix())))
}

func TestMetricsOfFailures(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	denied := s.Namespace("denied", "deny="+s.Name("x"))
	s.DenyAndEcho(denied)
	r := s.Start()
	s.Revised("Degraded", harness.OneRule)
	r.WantMetrics(
		`pullsecrets_problems{kind="Secret",reason="WriteFailed"} 1`,
		`pullsecrets_write_errors_total{kind="Secret",reason="Invalid"} `,
		`pullsecrets_reconciles_total{result="failed"} `,
	)
	s.Eventually("the namespace has waited for a second", func() error {
		for line := range strings.SplitSeq(r.Metrics(), "\n") {
			var seconds float64
			if n, _ := fmt.Sscanf(line, "pullsecrets_oldest_unsynced_seconds %f", &seconds); n == 1 && seconds > 1 {
				return nil
			}
		}
		return errors.New("not yet")
	})
	s.Merge(api.Namespaces, "", denied, `{"metadata":{"labels":{"deny":null}}}`)
	r.WantMetrics(`pullsecrets_oldest_unsynced_seconds 0`, `pullsecrets_copies{rule="hub"} 1`)
	if strings.Contains(r.Metrics(), `reason="WriteFailed"`) {
		t.Error("the problem is still counted")
	}
}

func TestMetricsOfAFight(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	config := rest.CopyConfig(s.Config)
	client, err := dynamic.NewForConfig(config)
	harness.Must(t, err)
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	for range 5 { // somebody insists on a list without ours
		s.Eventually("it is repaired", func() error {
			names, err := s.ListOf(ns, "default")
			if err == nil && len(names) == 0 {
				err = errors.New("not yet")
			}
			return err
		})
		sa := api.Object("v1", "ServiceAccount", ns, "default")
		sa.Object["imagePullSecrets"] = []any{}
		_, err := client.Resource(api.Accounts).Namespace(ns).Apply(s.Ctx, "default", sa, metav1.ApplyOptions{FieldManager: "argocd-controller", Force: true})
		harness.Must(t, err)
	}
	r.WantMetrics(
		`pullsecrets_fights_total{kind="ServiceAccount",manager="argocd-controller"} `,
		`pullsecrets_problems{kind="ServiceAccount",reason="Contested"} 1`,
	)
}

func TestMetricsOfAHeldPrune(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	for i := range 12 {
		s.Namespace(fmt.Sprintf("n%d", i))
	}
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	s.Revised("Degraded", harness.NoRules)
	r.WantMetrics(`pullsecrets_held_prunes 24`, `pullsecrets_problems{kind="Secret",reason="PruneHeld"} 12`)
	s.Merge(api.ConfigMaps, api.Home, "pullsecrets-policy", fmt.Sprintf(`{"metadata":{"annotations":{"pullsecrets/confirm-prune":%q}}}`, s.observed()))
	r.WantMetrics(`pullsecrets_held_prunes 0`, `pullsecrets_policy_state{state="Ready"} 1`)
}

// observed is the hash of the policy that was evaluated last.
func (s *sandbox) observed() string {
	s.T.Helper()
	return s.Get(api.ConfigMaps, api.Home, "pullsecrets-policy").GetAnnotations()["pullsecrets/observed"]
}

// TestSeriesDoNotGrowWithNamespaces counts what Prometheus would keep, of 5 namespaces and of 400.
func TestSeriesDoNotGrowWithNamespaces(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	for i := range 5 {
		s.Namespace(fmt.Sprintf("few%d", i))
	}
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	r.WantMetrics(`pullsecrets_copies{rule="hub"} 5`)
	before := seriesOf(r.Metrics())
	for i := range 395 {
		s.Create(api.Namespaces, api.Object("v1", "Namespace", "", s.Name(fmt.Sprintf("many%03d", i))))
	}
	r.WantMetrics("pullsecrets_copies{rule=\"hub\"} 400\n")
	after := seriesOf(r.Metrics())
	for series := range after {
		// Which results and errors come up is chance: an account may be made while it is looked at. They are closed sets.
		closed := strings.HasPrefix(series, "pullsecrets_reconciles_total{") || strings.HasPrefix(series, "pullsecrets_write_errors_total{")
		if !before[series] && !closed {
			t.Errorf("there is a new series: %s", series)
		}
	}
	if n := len(after); n < 30 || n > 60 {
		t.Errorf("%d series", n)
	}
}

// seriesOf are our series in what was served, without their values.
func seriesOf(text string) map[string]bool {
	all := map[string]bool{}
	for line := range strings.SplitSeq(harness.OurMetrics(text), "\n") {
		series, _, _ := strings.Cut(line, " ")
		all[series] = true
	}
	return all
}
