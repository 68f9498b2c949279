package gitops

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/pullsecrets/pullsecrets/hack/gitops/cases"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// TestToolsThatApplyNeverFightUnderAdmission tells all cases to Flux's and Helm's own code, and holds the
// table in docs/gitops.md to what came of them. To write it anew: go test . -update
func TestToolsThatApplyNeverFightUnderAdmission(t *testing.T) {
	cases.Tell(t, kinds()).CheckPage(t, "flux-helm")
}

// TestToolsThatApplySeeNoDifferenceInPods has them apply pods to which the API server adds a name.
func TestToolsThatApplySeeNoDifferenceInPods(t *testing.T) {
	cases.TellPods(t, kinds())
}

func kinds() []cases.Kind {
	return []cases.Kind{
		{Name: "Flux", New: newFlux, Applier: fluxController, OwnsDefault: true, Snippet: "spec.ignore"},
		{Name: "Helm 4", New: newHelm4, Applier: "helm", Refuses: true},
		{Name: "Helm 3", New: newHelm3},
	}
}
