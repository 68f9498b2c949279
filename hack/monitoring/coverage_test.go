package monitoring

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

// elsewhere are the metrics that every process of Prometheus' own library has, or Prometheus itself adds.
var elsewhere = map[string]bool{
	"up": true, "process_start_time_seconds": true, "process_resident_memory_bytes": true, "process_cpu_seconds_total": true,
}

// documented are the metrics of docs/metrics.md with their labels.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(pullsecrets_\\w+)` \\| (\\w+) \\| ([^|]*) \\|").FindAllStringSubmatch(read(t, "../../docs/metrics.md"), -1) {
		var labels []string
		for _, l := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[3], -1) {
			labels = append(labels, l[1])
		}
		found[m[1]] = labels
		if m[2] == "histogram" {
			found[m[1]+"_bucket"] = append(slices.Clone(labels), "le")
			delete(found, m[1])
		}
	}
	if len(found) < 20 {
		t.Fatalf("docs/metrics.md has only %d metrics", len(found))
	}
	return found
}

// grafana replaces what Grafana does before it asks.
var grafana = strings.NewReplacer("$cluster", ".*", "$namespace", ".*", "$__rate_interval", "1m")

// selectors are those of an expression.
func selectors(t *testing.T, expr string) (all []*parser.VectorSelector) {
	t.Helper()
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(grafana.Replace(expr))
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			all = append(all, s)
		}
		return nil
	})
	return all
}

// queries are all expressions that come with pullsecrets, by what they are for.
func queries() map[string]string {
	all := map[string]string{}
	for _, a := range alerts {
		all["alert "+a.name] = a.expr
	}
	for _, r := range dashboardRows {
		for _, p := range r.panels {
			for _, q := range p.queries {
				all["panel "+p.title+" "+q.legend] = q.expr
			}
		}
	}
	return all
}

// TestEveryMetricIsDocumentedAndShown finds a metric that is named and does not exist, one that the dashboard does not show,
// and a label that a metric does not have.
func TestEveryMetricIsDocumentedAndShown(t *testing.T) {
	known := documented(t)
	target := []string{"__name__", "cluster", "namespace", "pod", "job", "instance"} // of Prometheus' own
	shown := map[string]bool{}
	for of, expr := range queries() {
		for _, s := range selectors(t, expr) {
			labels, ok := known[s.Name]
			if !ok && !elsewhere[s.Name] {
				t.Errorf("%s: docs/metrics.md has no %s", of, s.Name)
			}
			for _, m := range s.LabelMatchers {
				if !slices.Contains(labels, m.Name) && !slices.Contains(target, m.Name) {
					t.Errorf("%s: %s has no label %s", of, s.Name, m.Name)
				}
			}
			if strings.HasPrefix(of, "panel ") {
				shown[s.Name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if !shown[name] {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}

// TestAlertsSumUpInstallations holds that no alert goes by a single pod, and that none mixes installations.
func TestAlertsSumUpInstallations(t *testing.T) {
	for _, a := range alerts {
		parsed, err := parser.NewParser(parser.Options{}).ParseExpr(a.expr)
		must(t, err)
		groups := 0
		parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
			if g, ok := n.(*parser.AggregateExpr); ok {
				groups++
				if g.Without || !slices.Contains(g.Grouping, "namespace") || !slices.Contains(g.Grouping, "cluster") || slices.Contains(g.Grouping, "pod") {
					t.Errorf("%s sums up by %v", a.name, g.Grouping)
				}
			}
			return nil
		})
		if groups == 0 {
			t.Errorf("%s sums nothing up", a.name)
		}
	}
}

// TestAlertsSayWhatAPersonNeeds and that each text is there.
func TestAlertsSayWhatAPersonNeeds(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range alerts {
		if seen[a.name] || !strings.HasPrefix(a.name, "Pullsecrets") {
			t.Errorf("the name %s", a.name)
		}
		seen[a.name] = true
		if !slices.Contains([]string{critical, warning, info}, a.severity) {
			t.Errorf("%s: the severity %q", a.name, a.severity)
		}
		if len(a.summary) < 20 || len(a.summary) > 140 || strings.HasSuffix(a.summary, ".") || len(a.description) < 60 || !strings.HasSuffix(a.description, ".") {
			t.Errorf("%s: %q, %q", a.name, a.summary, a.description)
		}
	}
}

// TestPanelsSayWhatTheyShow holds the dashboard against Grafana's schema, and that each panel has a unit and a description.
func TestPanelsSayWhatTheyShow(t *testing.T) {
	text, err := Dashboard()
	must(t, err)
	must(t, checkSchema(text))
	for _, field := range []string{"uid", "targets", "unit", "instant", "graphMode", "multi", "h"} {
		if err := checkSchema(bytes.Replace(text, fmt.Appendf(nil, "%q:", field), []byte(`"other":`), 1)); err == nil {
			t.Errorf("the schema takes another field for %s", field)
		}
	}
	titles, width := map[string]bool{}, 0
	for _, r := range dashboardRows {
		for _, p := range r.panels {
			if titles[p.title] || p.unit == "" || len(p.description) < 30 || !strings.HasSuffix(p.description, ".") || len(p.queries) == 0 {
				t.Errorf("the panel %q", p.title)
			}
			titles[p.title] = true
			width += p.width
			for _, q := range p.queries {
				for _, s := range selectors(t, q.expr) {
					chosen := 0
					for _, m := range s.LabelMatchers {
						if m.Name == "cluster" || m.Name == "namespace" {
							chosen++
						}
					}
					if chosen != 2 {
						t.Errorf("the panel %q does not go by what is chosen: %s", p.title, q.expr)
					}
				}
			}
		}
		if width%24 != 0 {
			t.Errorf("the row %q is %d wide", r.title, width)
		}
		width = 0
	}
}

// TestTheOperatorTakesThem holds PodMonitors and rules against the types of the Prometheus operator.
func TestTheOperatorTakesThem(t *testing.T) {
	text, err := Rules()
	must(t, err)
	must(t, yaml.UnmarshalStrict(text, &monitoringv1.PrometheusRule{}))
	documents := strings.Split(read(t, component+"podmonitors.yaml"), "\n---\n")
	for _, document := range documents {
		var m monitoringv1.PodMonitor
		must(t, yaml.UnmarshalStrict([]byte(document), &m))
		if len(m.Spec.PodMetricsEndpoints) != 1 || *m.Spec.PodMetricsEndpoints[0].Port != "metrics" {
			t.Errorf("%s has the endpoints %v", m.Name, m.Spec.PodMetricsEndpoints)
		}
	}
	if len(documents) != 2 {
		t.Errorf("%d PodMonitors", len(documents))
	}
}
