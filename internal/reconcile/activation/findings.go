package activation

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// tellFindings writes an Event when something new is said of a source. What the status says already was told, if not by this
// process then by the one before it.
func (a *Activator) tellFindings() {
	about := a.Cluster.PolicyMap()
	if a.fixed() {
		about = a.Cluster.StatusMap()
	}
	if about == nil {
		return
	}
	now := a.Reporter.SourceFindings()
	for _, f := range now {
		if !slices.Contains(a.feedback.told, f) {
			a.Events().Emit(about, corev1.EventTypeWarning, f.Reason, "source "+f.Source+": "+f.Message)
		}
	}
	a.feedback.told = now
}
