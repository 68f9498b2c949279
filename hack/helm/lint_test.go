package helm

import "testing"

// TestLintIsClean has Helm's own lint judge the chart, with warnings as errors.
func TestLintIsClean(t *testing.T) {
	everything := two()
	for _, component := range []string{"admission", "evict", "ha", "wide-rbac", "revision", "monitoring"} {
		overlay(everything, switches[component])
	}
	eachEngine(t, func(t *testing.T, h engine) {
		for name, given := range map[string]values{"nothing": {}, "a policy": one(), "everything": everything, "JanSvoboda's": ofList(), "tamcore's": ofMapping()} {
			for _, err := range h.Lint(chartFolder, given) {
				t.Errorf("with %s: %v", name, err)
			}
		}
	})
}
