package report

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

// family is a metric with its labels. A namespace is never a label: a cluster has thousands, and they come and go. What
// is a label comes from the policy or from a closed set.
type family struct {
	name, kind string
	labels     []string
	help       string
}

// The families, in the order of docs/metrics.md.
var (
	familyReconciles = family{"pullsecrets_reconciles_total", "counter", []string{"result"},
		"Namespaces that were decided: unchanged, changed, waiting (a write was put off, because somebody undoes it or admission alters it again and again), stale (something changed in between, decided again), failed, or gone."}
	familyDuration = family{"pullsecrets_reconcile_duration_seconds", "histogram", nil,
		"How long deciding on one namespace and writing to it took."}
	familyActions = family{"pullsecrets_actions_total", "counter", []string{"kind", "verb", "reason", "rule"},
		"Writes that succeeded. The rule is empty where no rule asks for the object any more."}
	familyWriteErrors = family{"pullsecrets_write_errors_total", "counter", []string{"kind", "reason"},
		"Writes that failed, by the API server's reason; Unreachable when it did not answer, CameBack when it put removed names back, Altered when it kept something else than was written, Other for anything else."}
	familyProblems = family{"pullsecrets_problems", "gauge", []string{"kind", "reason"},
		"Objects that somebody should look at, as in the status. Conflicts are ForeignSecret and RuleConflict."}
	familyContentions = family{"pullsecrets_fights_total", "counter", []string{"kind", "manager"},
		"Repairs of objects that somebody undoes again and again, by the other field manager; unknown when the API server does not say."}
	familyHeld = family{"pullsecrets_held_prunes", "gauge", nil,
		"Copies and service accounts from which something is not removed, because it would be too much at once (-max-prune)."}
	familyUnsynced = family{"pullsecrets_oldest_unsynced_seconds", "gauge", nil,
		"How long the namespace that waits longest has work that failed or was not done yet; 0 when there is none."}
	familyUnsettled = family{"pullsecrets_watches_unsettled", "gauge", nil,
		"Lists that have not been answered yet; /readyz and the log name them. No policy comes in force before all that it needs are answered."}
	familyOldestUnsettled = family{"pullsecrets_oldest_unsettled_watch_seconds", "gauge", nil,
		"How long the list that waits longest has not been answered; 0 when there is none."}
	familyQueue = family{"pullsecrets_queue_length", "gauge", nil,
		"Namespaces that wait to be decided."}
	familyNamespaces = family{"pullsecrets_namespaces", "gauge", nil,
		"Namespaces that were decided under the policy in force, those that it does not select among them."}
	familySelected = family{"pullsecrets_namespaces_selected", "gauge", nil,
		"Namespaces that a rule selects, and those where something that is left has a problem. 0 on a standby."}
	familyFailing = family{"pullsecrets_namespaces_failing", "gauge", nil,
		"Of the selected namespaces: those that have a problem of their own, each counted once. Problems of the policy itself are not among them."}
	familyFailingLimit = family{"pullsecrets_namespaces_failing_limit", "gauge", nil,
		"How many of the selected namespaces may have problems of their own before the policy is Degraded (-max-failing)."}
	familyAccounts = family{"pullsecrets_service_accounts", "gauge", nil,
		"Service accounts that rules give names to."}
	familyCopies = family{"pullsecrets_copies", "gauge", []string{"rule"},
		"Copies that are in place."}
	familySource = family{"pullsecrets_source_last_change_timestamp_seconds", "gauge", []string{"source"},
		"When the credential of a source (namespace/name) was written last, as the API server notes it."}
	familyExpiry = family{"pullsecrets_source_expiry_timestamp_seconds", "gauge", []string{"source"},
		"When the first credential of a source (namespace/name) ends, as its annotation pullsecrets/expires or the credential itself says; no sample where neither does."}
	familyVerified = family{"pullsecrets_source_verified", "gauge", []string{"source", "verdict"},
		"Of a source (namespace/name) whose registries are asked (verify: true): 1 for what came of it, 0 for the rest. Asking: copies wait for an answer; Accepted, Refused, or Unverified: copied although not all registries said that they take it."}
	familyState = family{"pullsecrets_policy_state", "gauge", []string{"state"},
		"1 for the state that the policy is in, 0 for the others: Missing, Progressing, Ready, Degraded or Invalid. All are 0 on a standby."}
	familyPolicy = family{"pullsecrets_policy_info", "gauge", []string{"in_force", "observed"},
		"1, with the hashes of the policy in force and of the text that was evaluated last; they differ when that was refused."}
	familyOnAccounts = family{"pullsecrets_rules_fallen_back", "gauge", nil,
		"Rules with attach: pods whose names service accounts get, because the API server cannot add them to pods. The policy's message says why."}
	familyLeader = family{"pullsecrets_leader", "gauge", nil,
		"1 for the process that works, 0 for a standby. Always 1 without leader election."}
	familyBuild = family{"pullsecrets_build_info", "gauge", []string{"version", "go_version"},
		"1, with the version."}

	families = []family{
		familyReconciles, familyDuration, familyActions, familyWriteErrors, familyProblems, familyContentions, familyHeld,
		familyUnsynced, familyUnsettled, familyOldestUnsettled, familyQueue, familyNamespaces, familySelected, familyFailing, familyFailingLimit, familyAccounts, familyCopies, familySource, familyExpiry, familyVerified, familyState, familyPolicy,
		familyOnAccounts, familyLeader, familyBuild,
	}
)

func (f family) desc() *prometheus.Desc { return prometheus.NewDesc(f.name, f.help, f.labels, nil) }

func (f family) counter() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: f.name, Help: f.help}, f.labels)
}

// How many values of a label get a time series of their own; the rest is summed up as "others", or left out where there is
// nothing to sum up. The names of managers are not ours to choose. Of rules the status shows as many.
const (
	maxManagers = 20
	maxRules    = status.ShownRules
	maxSources  = 1000
)

// Metrics count what happens. What is a state and not an event is gathered when somebody asks, see Collect.
type Metrics struct {
	report   *Reporter
	gauges   Gauges
	registry *prometheus.Registry

	reconciles, actions, writeErrors, contentions *prometheus.CounterVec
	duration                                      prometheus.Histogram

	policy  atomic.Pointer[PolicyView]
	sources atomic.Pointer[map[types.NamespacedName]sourceTimes]

	managers, rules *labelValues
}

// labelValues are the values of a label that have a time series of their own: the first that come.
type labelValues struct {
	most int

	mu   sync.Mutex
	seen map[string]bool
}

func newLabelValues(most int) *labelValues { return &labelValues{most: most, seen: map[string]bool{}} }

// of is the value of a label for a name; an empty one is a value too.
func (v *labelValues) of(name string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if name == "" || v.seen[name] {
		return name
	}
	if len(v.seen) == v.most {
		return "others"
	}
	v.seen[name] = true
	return name
}

// Gauges are states that the metrics ask others for. They may be asked at any time.
type Gauges struct {
	QueueLength func() int
	Unsettled   func() []watch.Waiting
	Leads       func() bool
	Version     string
	Verified    func() []status.VerifiedSource // the sources whose registries are asked
}

// PolicyView is what is to be said of the policy: its state, and the hashes of the text in force and of the last one that was
// evaluated.
type PolicyView struct {
	State, InForce, Observed string
	OnAccounts               int // rules that attach to pods, whose names service accounts get because the API server adds none
}

// NewMetrics returns metrics of what a Reporter knows.
func NewMetrics(of *Reporter, gauges Gauges) *Metrics {
	m := &Metrics{
		report: of, gauges: gauges, registry: prometheus.NewRegistry(),
		reconciles: familyReconciles.counter(), actions: familyActions.counter(),
		writeErrors: familyWriteErrors.counter(), contentions: familyContentions.counter(),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: familyDuration.name, Help: familyDuration.help, Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9), // to 33 s
		}),
		managers: newLabelValues(maxManagers), rules: newLabelValues(maxRules),
	}
	m.registry.MustRegister(m.reconciles, m.actions, m.writeErrors, m.contentions, m.duration, m,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers with all metrics, for Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Reconciled counts what came of a namespace.
func (m *Metrics) Reconciled(r apply.Result, took time.Duration) {
	m.duration.Observe(took.Seconds())
	result := "unchanged"
	for _, res := range r.Outcomes {
		switch {
		case res.Err == nil:
			m.actions.WithLabelValues(string(res.Kind), string(res.Verb), string(res.Reason), m.rules.of(res.Rule)).Inc()
			if result == "unchanged" {
				result = "changed"
			}
		case !apply.IsPutOff(res.Err):
			m.WriteFailed(res.Kind, res.Err)
			fallthrough
		default:
			result = worse(result, res.Err)
		}
	}
	m.reconciles.WithLabelValues(result).Inc()
}

// Gone counts a namespace that is no more.
func (m *Metrics) Gone() { m.reconciles.WithLabelValues("gone").Inc() }

// worse is the result of a namespace to which a failed write is added.
func worse(result string, err error) string {
	switch {
	case result == "failed", kube.Classify(err) == kube.Gone:
		return result
	case apply.IsPutOff(err):
		if result == "stale" {
			return result
		}
		return "waiting"
	case kube.Classify(err) == kube.Stale:
		return "stale"
	}
	return "failed"
}

func (m *Metrics) WriteFailed(kind plan.Kind, err error) {
	m.writeErrors.WithLabelValues(string(kind), writeErrorReason(err)).Inc()
}

// writeErrorReason is the API server's reason, or one of our own.
func writeErrorReason(err error) string {
	switch {
	case errors.Is(err, apply.ErrCameBack):
		return "CameBack"
	case apply.AsAltered(err) != nil:
		return Altered
	}
	return kube.Reason(err)
}

// Contended counts a repair of an object that others revert again and again.
func (m *Metrics) Contended(kind plan.Kind, owners []cluster.Owner) {
	if len(owners) == 0 {
		m.contentions.WithLabelValues(string(kind), "unknown").Inc()
	}
	for _, o := range owners {
		m.contentions.WithLabelValues(string(kind), m.managers.of(o.Manager)).Inc()
	}
}

// sourceTimes are when a source was written last, and when its first credential ends; zero if that is not known.
type sourceTimes struct{ written, ends time.Time }

// SetSources notes when the sources of the policy were written last, and when they end.
func (m *Metrics) SetSources(sources map[types.NamespacedName]policy.SourceState) {
	times := map[types.NamespacedName]sourceTimes{}
	for key, state := range sources {
		if state.Source == nil {
			continue
		}
		t := sourceTimes{written: state.Source.Written()}
		if ends := state.Source.Ends(); len(ends) > 0 {
			t.ends = ends[0].Until
		}
		times[key] = t
	}
	shown := firstSources(times)
	m.sources.Store(&shown)
}

// firstSources leaves out what is beyond maxSources: it keeps what ends first, and then what was written first.
func firstSources(all map[types.NamespacedName]sourceTimes) map[types.NamespacedName]sourceTimes {
	if len(all) <= maxSources {
		return all
	}
	keys := slices.SortedFunc(maps.Keys(all), func(a, b types.NamespacedName) int {
		x, y := all[a], all[b]
		if x.ends.IsZero() != y.ends.IsZero() {
			return cmp.Compare(number(x.ends.IsZero()), number(y.ends.IsZero()))
		}
		return cmp.Or(x.ends.Compare(y.ends), x.written.Compare(y.written), cmp.Compare(a.String(), b.String()))
	})
	first := map[types.NamespacedName]sourceTimes{}
	for _, key := range keys[:maxSources] {
		first[key] = all[key]
	}
	return first
}

// Describe is part of prometheus.Collector. Labels come and go, so it describes nothing.
func (m *Metrics) Describe(chan<- *prometheus.Desc) {}

// Collect is part of prometheus.Collector: it gathers the states.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	gauge := func(f family, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(f.desc(), prometheus.GaugeValue, value, labels...)
	}
	held := 0
	for key, n := range m.report.problemCounts() {
		gauge(familyProblems, float64(n), key.kind, key.reason)
		if key.reason == string(plan.PruneHeld) {
			held += n
		}
	}
	gauge(familyHeld, float64(held))
	gauge(familyUnsynced, m.report.OldestUnsynced(time.Now()).Seconds())
	m.collectUnsettled(gauge)
	gauge(familyQueue, float64(m.gauges.QueueLength()))
	t := m.report.Totals()
	gauge(familyNamespaces, float64(t.Namespaces))
	gauge(familySelected, float64(t.Selected))
	gauge(familyFailing, float64(t.Failing))
	gauge(familyFailingLimit, float64(Limit(t.Selected, m.report.MaxFailing)))
	gauge(familyAccounts, float64(t.ServiceAccounts))
	copies := map[string]int{}
	for _, rule := range slices.Sorted(maps.Keys(t.Copies)) {
		copies[m.rules.of(rule)] += t.Copies[rule]
	}
	for rule, n := range copies {
		gauge(familyCopies, float64(n), rule)
	}
	if sources := m.sources.Load(); sources != nil {
		for key, t := range *sources {
			if !t.written.IsZero() {
				gauge(familySource, float64(t.written.Unix()), key.String())
			}
			if !t.ends.IsZero() {
				gauge(familyExpiry, float64(t.ends.Unix()), key.String())
			}
		}
	}
	for _, one := range firstVerified(m.gauges.Verified()) {
		for _, verdict := range status.Verdicts {
			gauge(familyVerified, number(verdict == one.Verdict), one.Source, string(verdict))
		}
	}
	m.collectPolicy(gauge)
	gauge(familyBuild, 1, m.gauges.Version, runtime.Version())
}

// firstVerified leaves out what is beyond maxSources: it keeps what is not accepted first.
func firstVerified(all []status.VerifiedSource) []status.VerifiedSource {
	if len(all) <= maxSources {
		return all
	}
	accepted := func(v status.VerifiedSource) float64 { return number(v.Verdict == status.VerdictAccepted) }
	return slices.SortedStableFunc(slices.Values(all), func(a, b status.VerifiedSource) int { return cmp.Compare(accepted(a), accepted(b)) })[:maxSources]
}

func (m *Metrics) collectUnsettled(gauge func(family, float64, ...string)) {
	lists, oldest := m.gauges.Unsettled(), time.Duration(0)
	if len(lists) > 0 {
		oldest = time.Since(lists[0].Since)
	}
	gauge(familyUnsettled, float64(len(lists)))
	gauge(familyOldestUnsettled, oldest.Seconds())
}

// SetPolicy notes what is to be said of the policy; nil until that is known.
func (m *Metrics) SetPolicy(view *PolicyView) { m.policy.Store(view) }

func (m *Metrics) collectPolicy(gauge func(family, float64, ...string)) {
	var view PolicyView
	if v := m.policy.Load(); v != nil {
		view = *v
	}
	for _, state := range status.States {
		gauge(familyState, number(state == view.State), state)
	}
	if view.InForce != "" || view.Observed != "" {
		gauge(familyPolicy, 1, view.InForce, view.Observed)
	}
	gauge(familyOnAccounts, float64(view.OnAccounts))
	gauge(familyLeader, number(m.gauges.Leads()))
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
