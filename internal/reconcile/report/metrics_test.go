package report

import (
	"flag"
	"fmt"
	"net"
	"net/http/httptest"
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
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

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

## How many series

No label is a namespace, so a cluster of ten thousand of them has as many series as one of ten. A controller has
%d of its own that are always there, those of the Go runtime and the process beside them, and:

| for each | series |
| --- | --- |
| rule | one of ` + "`pullsecrets_copies`" + `, and one of ` + "`pullsecrets_actions_total`" + ` for each kind, verb and reason that came up since the start: two for a rule that only adds, ten at most in practice |
| source | one or two, and four more where its registries are asked (` + "`verify: true`" + `) |
| problem that there is | one for each kind and reason, of which there are about thirty |
| other field manager that undoes something | one for each kind |
| reason of a write that failed | one for each kind; the API server's reasons are a closed set |

From the %d. rule on, what rules did and have is summed up as the rule ` + "`others`" + `; of other field managers, from the %d. on. Of more
than %d sources, those are left out that end last, or were written last where they say no end; of those that registries are asked about,
those that are accepted. Which rule is one of the first is settled when it comes up, and forgotten with a restart.

## Alerts

[kustomize/components/monitoring](../kustomize/components/monitoring/kustomization.yaml) has all that the Prometheus operator and Grafana need: PodMonitors, a PrometheusRule with these
alerts, and the dashboard below. The chart makes the same of ` + "`monitoring.enabled`, `monitoring.podMonitor.enabled`, `monitoring.rules.enabled`" + ` and
` + "`monitoring.dashboard.enabled`" + `.

` + "```yaml" + `
resources: [github.com/pullsecrets/pullsecrets/kustomize/base?ref=v0.1.0]
components: [github.com/pullsecrets/pullsecrets/kustomize/components/monitoring?ref=v0.1.0]
` + "```" + `

Without the operator, take ` + "`spec`" + ` of [rules.yaml](../kustomize/components/monitoring/rules.yaml) as a rule file, and import [dashboard.json](../kustomize/components/monitoring/dashboard.json). The rules go by the
labels that a PodMonitor gives: ` + "`namespace`, `pod`, `job` and `instance`" + `; with other names for them, relabel. Each alert sums an installation up, by its namespace (and
by ` + "`cluster`" + `, where several share a Prometheus): two replicas are one, a standby counts for nothing, and several installations are told apart.

| alert | severity | after | what it says |
| --- | --- | --- | --- |
%s
*Critical*: pods cannot pull, or those of new namespaces will not. *Warning*: it should be mended in working hours. *Info*: worth a look. Each alert has the
address of its [runbook](runbooks.md).

## Dashboard

Above its panels one chooses the Prometheus, the cluster and the installation, by its namespace. This is what they show while a test makes one kind of trouble
after the other (` + "`make monitoring-test`" + `):

![The panels of the dashboard](monitoring.svg)
`

// rulesFile has the alerts that come with pullsecrets; hack/monitoring writes it.
const rulesFile = "../../../kustomize/components/monitoring/rules.yaml"

// alertTable has a row for each alert of rulesFile.
func alertTable(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Spec struct {
			Groups []struct {
				Rules []struct {
					Alert, For          string
					Labels, Annotations map[string]string
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	for _, g := range rules.Spec.Groups {
		for _, r := range g.Rules {
			fmt.Fprintf(&table, "| [`%s`](runbooks.md#%s) | %s | %s | %s |\n", r.Alert, strings.ToLower(r.Alert), r.Labels["severity"], r.For, r.Annotations["description"])
		}
	}
	return table.String()
}

// TestMetricsPage holds docs/metrics.md against the code.
func TestMetricsPage(t *testing.T) {
	want := fmt.Sprintf(metricsText, familyTable(families), familyTable(evictionFamilies), alwaysThere(t), maxRules+1, maxManagers+1, maxSources, alertTable(t))
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

// alwaysThere is the number of our series before anything happened; a histogram counts as one in each of its buckets, its
// sum and its count.
func alwaysThere(t *testing.T) (n int) {
	t.Helper()
	recorder := httptest.NewRecorder()
	newMetrics().Handler().ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(recorder.Body.String()) {
		if strings.HasPrefix(line, "pullsecrets_") {
			n++
		}
	}
	return n
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

// TestAlertsNameMetricsThatExist holds the alerts against the families.
func TestAlertsNameMetricsThatExist(t *testing.T) {
	alerts, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	names := 0
	for word := range strings.FieldsFuncSeq(string(alerts), func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		if !strings.HasPrefix(word, "pullsecrets_") {
			continue
		}
		names++
		found := false
		for _, f := range slices.Concat(families, evictionFamilies) {
			found = found || f.name == word
		}
		if !found {
			t.Errorf("there is no metric %s", word)
		}
	}
	if names < 20 {
		t.Errorf("only %d names of metrics were found", names)
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

// TestRulesAndSourcesAreBounded with ten thousand rules and five thousand sources.
func TestRulesAndSourcesAreBounded(t *testing.T) {
	r := New(Options{Log: zerolog.Nop(), Changed: func() {}})
	var verified []status.VerifiedSource
	now := time.Unix(1_800_000_000, 0)
	times := map[types.NamespacedName]sourceTimes{}
	for i := range 5000 {
		name := fmt.Sprintf("s%04d", i)
		v := status.VerifiedSource{Source: "home/" + name, Verdict: status.VerdictAccepted}
		if i == 4999 {
			v.Verdict = status.VerdictRefused
		}
		verified = append(verified, v)
		written := sourceTimes{written: now.Add(time.Duration(i) * time.Second)}
		if i > 4900 {
			written.ends = now.Add(time.Duration(10_000-i) * time.Hour)
		}
		times[types.NamespacedName{Namespace: "home", Name: name}] = written
	}
	m := NewMetrics(r, Gauges{
		QueueLength: func() int { return 0 }, Unsettled: func() []watch.Waiting { return nil }, Leads: func() bool { return true },
		Verified: func() []status.VerifiedSource { return verified },
	})
	first := firstSources(times)
	m.sources.Store(&first)
	var todo plan.Plan
	for i := range 10_000 {
		rule := fmt.Sprintf("r%05d", i)
		action := plan.Action{Kind: plan.KindSecret, Verb: plan.Create, Reason: plan.Missing, Name: rule, Rule: rule}
		todo.Actions = append(todo.Actions, action)
		m.Reconciled(apply.Result{Namespace: "a", Outcomes: []apply.Outcome{{Action: action}}}, time.Millisecond)
	}
	result := apply.Result{Namespace: "a"}
	for _, a := range todo.Actions {
		result.Outcomes = append(result.Outcomes, apply.Outcome{Action: a})
	}
	r.Record(todo, result, true)
	series := gathered(t, m)
	number := map[string]int{}
	for key := range series {
		name, _, _ := strings.Cut(key, "/")
		number[name]++
	}
	for name, want := range map[string]int{
		"pullsecrets_actions_total": maxRules + 1, "pullsecrets_copies": maxRules + 1, "pullsecrets_source_verified": 4 * maxSources,
		"pullsecrets_source_last_change_timestamp_seconds": maxSources, "pullsecrets_source_expiry_timestamp_seconds": 99,
	} {
		if number[name] != want {
			t.Errorf("%d series of %s, want %d", number[name], name, want)
		}
	}
	if got := series["pullsecrets_copies/others"]; got != 10_000-maxRules {
		t.Errorf("the other rules have %v copies", got)
	}
	if series["pullsecrets_source_verified/home/s4999/Refused"] != 1 {
		t.Error("the source that is refused is left out")
	}
	if series["pullsecrets_source_last_change_timestamp_seconds/home/s0000"] == 0 || series["pullsecrets_source_expiry_timestamp_seconds/home/s4999"] == 0 {
		t.Error("the oldest source is left out, or the one that ends first")
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
