package e2e

import (
	"fmt"
	"testing"
)

// TestWhileASourceIsMissingNobodyFightsOverItsName has a tool go on applying lists of its own where the copy is.
func TestWhileASourceIsMissingNobodyFightsOverItsName(t *testing.T) {
	for _, prune := range []bool{true, false} {
		t.Run(fmt.Sprintf("prune %t", prune), func(t *testing.T) {
			s := newAdmissionSandbox(t)
			s.source("hub", credential("hub.example", "one"))
			ns := s.namespace("a")
			r := s.start()
			s.revised("Ready", oneRule+fmt.Sprintf("  prune: %t\n", prune))
			s.wantRules("hub: reg")
			manifest := fmt.Sprintf("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default, namespace: %s}\nimagePullSecrets: [{name: theirs}]\n", ns)
			apply := func() string {
				must(t, appliers["kubectl apply"](s, ns, manifest))
				return s.get(accounts, ns, "default").GetResourceVersion()
			}
			apply()
			s.wantList(ns, "default", "theirs", "+reg")

			s.delete(secrets, home, "hub")
			s.wantStatus("Degraded")
			s.seen()
			before := apply()
			s.wantList(ns, "default", "theirs", "+reg")
			for range 3 {
				if after := apply(); after != before {
					t.Errorf("the account was written: %v", s.get(accounts, ns, "default").Object)
				}
			}
			s.wantList(s.namespace("b"), "default") // there is no copy to name
			for range 2 {                           // also under a controller that did not see the source go
				r.stop()
				r = s.start()
				s.wantRules("hub:")
				if after := apply(); after != before {
					t.Errorf("the account was written: %v", s.get(accounts, ns, "default").Object)
				}
			}
			s.source("hub", credential("hub.example", "two"))
			s.wantRules("hub: reg")
			s.wantCopy(ns, "reg", credential("hub.example", "two"))
		})
	}
}
