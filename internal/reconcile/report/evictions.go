package report

import (
	"maps"
	"net/http"
	"runtime"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The families of `pullsecrets evict`, in the order of docs/metrics.md.
var (
	familyEvictions = family{"pullsecrets_evictions_total", "counter", []string{"result"},
		"Evictions that were tried: evicted, refused (429, as of a disruption budget), stale (the pod changed in between), gone (somebody else deleted it), failed, or dry-run."}
	familyStuckPods = family{"pullsecrets_stuck_pods", "gauge", []string{"verdict"},
		"Pending pods that wait for an image, by why they are left alone; Evict where they are to be evicted."}

	evictionFamilies = []family{familyEvictions, familyStuckPods, familyBuild}
)

// EvictionResult is what came of an eviction.
type EvictionResult string

// The results.
const (
	Evicted         EvictionResult = "evicted"
	EvictionRefused EvictionResult = "refused"
	EvictionStale   EvictionResult = "stale"
	EvictionGone    EvictionResult = "gone"
	EvictionFailed  EvictionResult = "failed"
	EvictionDryRun  EvictionResult = "dry-run"
)

// EvictionMetrics count what `pullsecrets evict` does.
type EvictionMetrics struct {
	registry  *prometheus.Registry
	evictions *prometheus.CounterVec
	version   string

	mu    sync.Mutex
	stuck map[string]int
}

// NewEvictionMetrics returns metrics of nothing.
func NewEvictionMetrics(version string) *EvictionMetrics {
	m := &EvictionMetrics{registry: prometheus.NewRegistry(), evictions: familyEvictions.counter(), version: version}
	for _, result := range []EvictionResult{Evicted, EvictionRefused, EvictionFailed} {
		m.evictions.WithLabelValues(string(result)) // an increase from nothing is none to Prometheus
	}
	m.registry.MustRegister(m.evictions, m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers with all metrics, for Prometheus.
func (m *EvictionMetrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Count counts an eviction that was tried.
func (m *EvictionMetrics) Count(result EvictionResult) {
	m.evictions.WithLabelValues(string(result)).Inc()
}

// SetStuck notes how many pods wait for an image, by what was decided about them.
func (m *EvictionMetrics) SetStuck(counts map[string]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stuck = maps.Clone(counts)
}

// Describe is part of prometheus.Collector. Labels come and go, so it describes nothing.
func (m *EvictionMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect is part of prometheus.Collector.
func (m *EvictionMetrics) Collect(out chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for verdict, n := range m.stuck {
		out <- prometheus.MustNewConstMetric(familyStuckPods.desc(), prometheus.GaugeValue, float64(n), verdict)
	}
	out <- prometheus.MustNewConstMetric(familyBuild.desc(), prometheus.GaugeValue, 1, m.version, runtime.Version())
}
