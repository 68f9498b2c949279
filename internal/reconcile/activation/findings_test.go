package activation

import (
	"slices"
	"testing"
	"testing/synctest"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// said is what is found in the one source of onePolicy.
func (w *world) said(findings ...policy.Finding) {
	w.Reporter.Sources(map[types.NamespacedName]policy.SourceState{{Namespace: "pullsecrets", Name: "hub"}: {Findings: findings}})
	w.rest(soon)
	w.rest(w.StatusInterval)
}

func (w *world) savedFindings() []status.SourceFinding {
	return status.Decode(w.Cluster.StatusMap().Data[status.KeyRecord]).Sources
}

// A warning has an Event when it begins, is in the status while it lasts, and is no write of the policy's annotations: a
// GitOps tool would look at each.
func TestAWarningIsAnEventAndNoDegradedPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		odd := policy.Finding{Reason: "Odd", Text: "it is odd"}
		w := newWorld(t, 2, Options{})
		w.edit(onePolicy)
		w.run()
		w.rest(w.StatusInterval)
		before := w.Cluster.PolicyMap().ResourceVersion
		w.said(odd)
		w.said(odd)
		if !slices.Equal(w.events, []string{"the-policy Ready", "the-policy Odd"}) || len(w.savedFindings()) != 1 {
			t.Errorf("the Events are %q, the status has %v", w.events, w.savedFindings())
		}
		w.said()
		w.said(odd)
		if n := len(w.events); n != 3 || len(w.savedFindings()) != 1 {
			t.Errorf("it is back, and the Events are %q", w.events)
		}
		if w.Cluster.PolicyMap().ResourceVersion != before {
			t.Error("the policy ConfigMap was written")
		}
		w.said(policy.Finding{Reason: "Bad", Text: "it is bad", Problem: true})
		w.isSaid("a problem", status.Degraded, "source pullsecrets/hub: it is bad (Bad)")
		w.said()
		w.isSaid("it is gone", status.Ready, "in force")
		if found := w.savedFindings(); len(found) > 0 {
			t.Errorf("the status still has %v", found)
		}
	})
}

// What the status tells was told by the process before this one.
func TestARestartRepeatsNoEventOfASource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, Options{})
		w.edit(onePolicy)
		saved := savedBy(w, []string{"regcred"}, map[string]string{"policy.yaml": onePolicy})
		text, err := status.Record{Totals: status.Totals{Sources: []status.SourceFinding{{Source: "pullsecrets/hub", Reason: "Odd", Message: "it is odd"}}}}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		saved.Data[status.KeyRecord] = text
		w.caches.Status.Add(saved)
		w.Reporter.Sources(map[types.NamespacedName]policy.SourceState{{Namespace: "pullsecrets", Name: "hub"}: {Findings: []policy.Finding{
			{Reason: "Odd", Text: "it is odd"}, {Reason: "New", Text: "it is new"},
		}}})
		w.run()
		w.rest(w.StatusInterval)
		if slices.Contains(w.events, "the-policy Odd") || !slices.Contains(w.events, "the-policy New") {
			t.Errorf("the Events are %q", w.events)
		}
	})
}
