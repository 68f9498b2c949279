package harness

import (
	"fmt"
	"net/http/httptest"
	"strings"
)

// Metrics is what the controller serves to Prometheus.
func (r *Running) Metrics() string {
	recorder := httptest.NewRecorder()
	r.Controller.Metrics().ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	return recorder.Body.String()
}

// WantMetrics waits until each series has its value.
func (r *Running) WantMetrics(series ...string) {
	r.Sandbox.T.Helper()
	r.Sandbox.Eventually("the metrics say it", func() error {
		text := "\n" + r.Metrics()
		for _, line := range series {
			if !strings.Contains(text, "\n"+r.Sandbox.Expand(line)) {
				return fmt.Errorf("no %s in:\n%s", r.Sandbox.Expand(line), OurMetrics(text))
			}
		}
		return nil
	})
}

// OurMetrics are the lines of the controller's own metrics.
func OurMetrics(text string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "pullsecrets_") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}
