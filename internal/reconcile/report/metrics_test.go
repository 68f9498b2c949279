package report

import (
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

const metricsPage = "../../../docs/metrics.md"

// metricsText is docs/metrics.md around the table of the families.
const metricsText = `# Metrics

The controller serves these on ` + "`-metrics-addr`" + ` (` + "`:8080`" + `) at ` + "`/metrics`" + `, with those of the Go runtime and the process.
No namespace is ever a label, and no metric tells anything of a credential. A standby (` + "`-leader-elect`" + `) has
` + "`pullsecrets_leader`" + ` 0 and no policy state.

This page is generated: ` + "`go test ./internal/reconcile/report -run MetricsPage -update`" + `.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
%s
` + "`pullsecrets evict`" + ` serves these, in the same way; its verdicts are in [evict.md](evict.md):

| metric | type | labels | meaning |
| --- | --- | --- | --- |
%s
What the label ` + "`reason`" + ` of problems and actions says, and what to do about it, is in [reasons.md](reasons.md).

## Alerts

%s`

const alerts = "```yaml" + `
groups:
- name: pullsecrets
  rules:
  - alert: PullsecretsPolicyNotInForce
    expr: max by (state) (pullsecrets_policy_state{state=~"Missing|Invalid"}) == 1
    for: 5m
    annotations: {summary: "the policy is {{ $labels.state }}; see the annotations of the ConfigMap pullsecrets-policy"}
  - alert: PullsecretsProblems
    expr: max by (kind, reason) (pullsecrets_problems) > 0
    for: 15m
    annotations: {summary: "{{ $value }} {{ $labels.kind }} objects: {{ $labels.reason }}; the ConfigMap pullsecrets-status names them"}
  - alert: PullsecretsBehind
    expr: max(pullsecrets_oldest_unsynced_seconds) > 300
    annotations: {summary: "a namespace has waited for its credentials for {{ $value }} seconds"}
  - alert: PullsecretsWaits
    expr: max(pullsecrets_oldest_unsettled_watch_seconds) > 60
    annotations: {summary: "a list has not been answered for {{ $value }} seconds; /readyz and the log name it"}
  - alert: PullsecretsPruneHeld
    expr: max(pullsecrets_held_prunes) > 0
    annotations: {summary: "{{ $value }} removals wait for the annotation pullsecrets/confirm-prune"}
  - alert: PullsecretsFight
    expr: sum by (kind, manager) (increase(pullsecrets_fights_total[1h])) > 0
    annotations: {summary: "{{ $labels.manager }} undoes what pullsecrets writes to {{ $labels.kind }} objects"}
  - alert: PullsecretsCredentialOld
    expr: time() - max by (source) (pullsecrets_source_last_change_timestamp_seconds) > 90 * 86400
    annotations: {summary: "the credential {{ $labels.source }} has not been rotated for 90 days"}
  - alert: PullsecretsCredentialExpires # as SourceExpiring: within a week, and in the last third since it was written
    expr: |
      max by (source) (pullsecrets_source_expiry_timestamp_seconds) - time() < 7 * 86400
      and max by (source) (2 * pullsecrets_source_expiry_timestamp_seconds + pullsecrets_source_last_change_timestamp_seconds) < 3 * time()
    annotations: {summary: "the credential {{ $labels.source }} expires in {{ $value | humanizeDuration }}"}
  - alert: PullsecretsUnverified
    expr: max by (source) (pullsecrets_source_verified{verdict="Unverified"}) > 0
    for: 2h
    annotations: {summary: "nobody could say whether registries take the credential {{ $labels.source }}; the ConfigMap pullsecrets-status says why"}
  - alert: PullsecretsEvictionsFail
    expr: sum by (result) (increase(pullsecrets_evictions_total{result=~"refused|failed"}[1h])) > 10
    annotations: {summary: "pods that wait for an image in vain cannot be evicted: {{ $labels.result }}"}
  - alert: PullsecretsNobodyWorks
    expr: absent(pullsecrets_leader == 1)
    for: 2m
    annotations: {summary: "no controller runs"}
` + "```\n"

// TestMetricsPage holds docs/metrics.md against the code.
func TestMetricsPage(t *testing.T) {
	want := fmt.Sprintf(metricsText, familyTable(families), familyTable(evictionFamilies), alerts)
	if *update {
		if err := os.WriteFile(metricsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(metricsPage)
	if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
		t.Errorf("%s is stale, run go test ./internal/reconcile/report -run MetricsPage -update: %v\n%s", metricsPage, err, diff)
	}
}

func familyTable(families []family) string {
	var table strings.Builder
	for _, f := range families {
		labels := "`" + strings.Join(f.labels, "`, `") + "`"
		if len(f.labels) == 0 {
			labels = ""
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", f.name, f.kind, labels, f.help)
	}
	return table.String()
}

// TestAlertsNameMetricsThatExist holds the examples against the families.
func TestAlertsNameMetricsThatExist(t *testing.T) {
	for word := range strings.FieldsFuncSeq(alerts, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		if !strings.HasPrefix(word, "pullsecrets_") {
			continue
		}
		found := false
		for _, f := range slices.Concat(families, evictionFamilies) {
			found = found || f.name == word
		}
		if !found {
			t.Errorf("there is no metric %s", word)
		}
	}
}

// TestNoNamespaceIsALabel holds the rule that keeps the number of time series small.
func TestNoNamespaceIsALabel(t *testing.T) {
	for _, f := range slices.Concat(families, evictionFamilies) {
		for _, label := range f.labels {
			if strings.Contains(label, "namespace") {
				t.Errorf("%s has the label %s", f.name, label)
			}
		}
	}
}

func TestWriteErrorReasons(t *testing.T) {
	resource := schema.GroupResource{Resource: "secrets"}
	for _, c := range []struct {
		err  error
		want string
		why  string
	}{
		{apierrors.NewForbidden(resource, "a", nil), "Forbidden", "the API server's own reason"},
		{apierrors.NewConflict(resource, "a", nil), "Conflict", "the API server's own reason"},
		{&apierrors.StatusError{ErrStatus: metav1.Status{Reason: "hunter2"}}, "Other", "a webhook can answer with any reason, with the credential too"},
		{&net.OpError{Op: "dial"}, "Unreachable", "nobody answered"},
		{apply.ErrCameBack, "CameBack", "nothing failed, but it did not last"},
	} {
		if got := writeErrorReason(c.err); got != c.want {
			t.Errorf("%v: %q, want %q: %s", c.err, got, c.want, c.why)
		}
	}
}

func TestWhatCameOfANamespaceIsItsWorstResult(t *testing.T) {
	resource := schema.GroupResource{Resource: "secrets"}
	stale, failed, gone := apierrors.NewConflict(resource, "a", nil), apierrors.NewForbidden(resource, "a", nil), apierrors.NewNotFound(resource, "a")
	for _, c := range []struct {
		errs     []error
		want     string
		unsynced bool
	}{
		{nil, "unchanged", false},
		{[]error{nil}, "changed", false},
		{[]error{nil, &apply.Contested{}}, "waiting", true},
		{[]error{nil, stale, nil, &apply.Contested{}}, "stale", true},
		{[]error{failed, stale, nil}, "failed", true},
		{[]error{gone}, "unchanged", false}, // its own event follows
	} {
		m := newMetrics()
		result := apply.Result{Namespace: "a"}
		for _, err := range c.errs {
			result.Outcomes = append(result.Outcomes, apply.Outcome{Action: plan.Action{Kind: plan.KindSecret, Verb: plan.Create}, Err: err})
		}
		m.Reconciled(result, time.Second)
		m.report.Record(plan.Plan{Namespace: "a"}, result, false)
		got := gathered(t, m)
		if got["pullsecrets_reconciles_total/"+c.want] != 1 {
			t.Errorf("%v: want %s, got %v", c.errs, c.want, got)
		}
		if unsynced := got["pullsecrets_oldest_unsynced_seconds"] > 0; unsynced != c.unsynced {
			t.Errorf("%v: unsynced is %v", c.errs, unsynced)
		}
	}
}

func TestManagersAreBounded(t *testing.T) {
	m := newMetrics()
	for i := range 10 * maxManagers {
		m.Contended(plan.KindSecret, []cluster.Owner{{Manager: fmt.Sprintf("m%d", i)}})
	}
	n := 0
	for series := range gathered(t, m) {
		if strings.HasPrefix(series, "pullsecrets_fights_total") {
			n++
		}
	}
	if n != maxManagers+1 {
		t.Errorf("%d time series", n)
	}
}

// newMetrics are metrics of nothing.
func newMetrics() *Metrics {
	return NewMetrics(New(Options{Log: zerolog.Nop(), Changed: func() {}}), Gauges{
		QueueLength: func() int { return 0 }, Unsettled: func() []watch.Waiting { return nil }, Leads: func() bool { return true },
		Verified: func() []status.VerifiedSource { return nil },
	})
}

// gathered returns the value of each series of ours, by name and the values of its labels.
func gathered(t *testing.T, m *Metrics) map[string]float64 {
	t.Helper()
	list, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range list {
		for _, series := range f.GetMetric() {
			key := f.GetName()
			for _, l := range series.GetLabel() {
				key += "/" + l.GetValue()
			}
			out[key] = series.GetCounter().GetValue() + series.GetGauge().GetValue()
		}
	}
	return out
}
