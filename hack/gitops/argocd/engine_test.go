package argocd

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"github.com/pullsecrets/pullsecrets/hack/gitops/cases"
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// TestArgoCDNeverFightsUnderAdmission tells all cases to Argo CD's engine, as the application controller uses it, and
// holds the table in docs/gitops.md to what came of them. To write it anew: go test . -update
func TestArgoCDNeverFightsUnderAdmission(t *testing.T) {
	cases.Tell(t, applicationKinds()).CheckPage(t, "argocd")
}

// TestArgoCDSeesNoDifferenceInPods has it apply pods to which the API server adds a name.
func TestArgoCDSeesNoDifferenceInPods(t *testing.T) {
	cases.TellPods(t, applicationKinds())
}

func applicationKinds() []cases.Kind {
	const snippet = "ignoreDifferences with RespectIgnoreDifferences=true"
	kind := func(name string, o options) cases.Kind {
		return cases.Kind{
			Name: name, New: func(c *cases.Cluster) cases.Tool { return newArgo(c, o) },
			OwnsDefault: true, Snippet: snippet, SeesItsOwnListOnly: !o.serverSideDiff,
		}
	}
	return []cases.Kind{
		kind("Argo CD", options{}),
		kind("Argo CD, label tracking, server-side diff", options{labelTracking: true, serverSideDiff: true}),
		kind("Argo CD, server-side apply and diff", options{serverSideApply: true, serverSideDiff: true}),
	}
}
