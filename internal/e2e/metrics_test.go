package e2e

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// metrics is what the controller serves to Prometheus.
func (r *running) metrics() string {
	recorder := httptest.NewRecorder()
	r.c.Metrics().ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	return recorder.Body.String()
}

// wantMetrics waits until each series has its value.
func (r *running) wantMetrics(series ...string) {
	r.s.t.Helper()
	r.s.eventually("the metrics say it", func() error {
		text := "\n" + r.metrics()
		for _, line := range series {
			if !strings.Contains(text, "\n"+r.s.expand(line)) {
				return fmt.Errorf("no %s in:\n%s", r.s.expand(line), ours(text))
			}
		}
		return nil
	})
}

// ours are the lines of the controller's own metrics.
func ours(text string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "pullsecrets_") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

func TestMetricsOfCopiesAndConflicts(t *testing.T) {
	s := newSandbox(t)
	r := s.start()
	r.wantMetrics(`pullsecrets_policy_state{state="Missing"} 1`, `pullsecrets_oldest_unsynced_seconds 0`)
	s.source("hub", credential("hub.example", "one"))
	s.namespace("a")
	foreign := s.namespace("b")
	s.create(secrets, secret(foreign, s.name("reg"), credential("theirs.example", "x")))
	s.revised("Degraded", oneRule)
	r.wantMetrics(
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
	s.policyText("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: nonsense\n")
	r.wantMetrics(`pullsecrets_policy_state{state="Invalid"} 1`, `pullsecrets_copies{rule="hub"} 1`)
	if strings.Contains(ours(r.metrics()), s.prefix+"a") {
		t.Error("a namespace is a label")
	}
}

// checkSourceAge wants the source's time to be that of its last rotation.
func (s *sandbox) checkSourceAge(r *running) {
	s.t.Helper()
	var since time.Time
	for _, e := range s.get(secrets, home, "hub").GetManagedFields() {
		since = e.Time.Time
	}
	r.wantMetrics(fmt.Sprintf(`pullsecrets_source_last_change_timestamp_seconds{source="%s/hub"} %v`, home, float64(since.Unix())))
	s.eventually("the clock of the API server goes on by a second", func() error {
		s.source("hub", credential("hub.example", fmt.Sprint(time.Now().UnixNano())))
		if e := s.get(secrets, home, "hub").GetManagedFields()[0]; !e.Time.After(since) {
			return errors.New("not yet")
		}
		return nil
	})
	since = s.get(secrets, home, "hub").GetManagedFields()[0].Time.Time
	r.wantMetrics(fmt.Sprintf(`pullsecrets_source_last_change_timestamp_seconds{source="%s/hub"} %v`, home, float64(since.Unix())))
}

func TestMetricsOfFailures(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	denied := s.namespace("denied", "deny="+s.name("x"))
	s.denyAndEcho(denied)
	r := s.start()
	s.revised("Degraded", oneRule)
	r.wantMetrics(
		`pullsecrets_problems{kind="Secret",reason="WriteFailed"} 1`,
		`pullsecrets_write_errors_total{kind="Secret",reason="Invalid"} `,
		`pullsecrets_reconciles_total{result="failed"} `,
	)
	s.eventually("the namespace has waited for a second", func() error {
		for line := range strings.SplitSeq(r.metrics(), "\n") {
			var seconds float64
			if n, _ := fmt.Sscanf(line, "pullsecrets_oldest_unsynced_seconds %f", &seconds); n == 1 && seconds > 1 {
				return nil
			}
		}
		return errors.New("not yet")
	})
	s.merge(namespaces, "", denied, `{"metadata":{"labels":{"deny":null}}}`)
	r.wantMetrics(`pullsecrets_oldest_unsynced_seconds 0`, `pullsecrets_copies{rule="hub"} 1`)
	if strings.Contains(r.metrics(), `reason="WriteFailed"`) {
		t.Error("the problem is still counted")
	}
}

func TestMetricsOfAFight(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	config := rest.CopyConfig(s.config)
	client, err := dynamic.NewForConfig(config)
	must(t, err)
	r := s.start()
	s.revised("Ready", oneRule)
	for range 5 { // somebody insists on a list without ours
		s.eventually("it is repaired", func() error {
			names, err := s.listOf(ns, "default")
			if err == nil && len(names) == 0 {
				err = errors.New("not yet")
			}
			return err
		})
		sa := object("v1", "ServiceAccount", ns, "default")
		sa.Object["imagePullSecrets"] = []any{}
		_, err := client.Resource(accounts).Namespace(ns).Apply(s.ctx, "default", sa, metav1.ApplyOptions{FieldManager: "argocd-controller", Force: true})
		must(t, err)
	}
	r.wantMetrics(
		`pullsecrets_fights_total{kind="ServiceAccount",manager="argocd-controller"} `,
		`pullsecrets_problems{kind="ServiceAccount",reason="Contested"} 1`,
	)
}

func TestMetricsOfAHeldPrune(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	for i := range 12 {
		s.namespace(fmt.Sprintf("n%d", i))
	}
	r := s.start()
	s.revised("Ready", oneRule)
	s.revised("Degraded", noRules)
	r.wantMetrics(`pullsecrets_held_prunes 24`, `pullsecrets_problems{kind="Secret",reason="PruneHeld"} 12`)
	s.merge(configMaps, home, "pullsecrets-policy", fmt.Sprintf(`{"metadata":{"annotations":{"pullsecrets/confirm-prune":%q}}}`, s.observed()))
	r.wantMetrics(`pullsecrets_held_prunes 0`, `pullsecrets_policy_state{state="Ready"} 1`)
}

// observed is the hash of the policy that was evaluated last.
func (s *sandbox) observed() string {
	s.t.Helper()
	return s.get(configMaps, home, "pullsecrets-policy").GetAnnotations()["pullsecrets/observed"]
}
