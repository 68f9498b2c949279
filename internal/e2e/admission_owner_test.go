package e2e

import (
	"fmt"
	"testing"
)

// TestAPolicyEditLeavesTheListToItsOwner changes the names on accounts whose owner applies a list of its own without
// force. Under admission it need not be ours for our names to stay in it.
func TestAPolicyEditLeavesTheListToItsOwner(t *testing.T) {
	for way, apply := range appliers {
		t.Run(way, func(t *testing.T) {
			s := newSandbox(t)
			s.component()
			s.admission = true
			s.source("hub", credential("hub.example", "one"))
			s.source("ghcr", credential("ghcr.example", "one"))
			ns := s.namespace("a")
			s.start()
			const all = "  serviceAccounts: {include: [app]}\n"
			both := "\n- name: hub\n  secrets: [{source: {name: hub}, name: PREFIXreg}, {source: {name: ghcr}, name: PREFIXghcr}]\n  namespaces: {include: [\"PREFIX*\"]}\n"
			s.revised("Ready", oneRule+all)
			s.wantRules("hub: reg")
			// The list is all that it applies: without it nobody owns anything of the account.
			manifest := fmt.Sprintf("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: app, namespace: %s}\nimagePullSecrets: [{name: theirs}]\n", ns)
			must(t, apply(s, ns, manifest))
			s.wantList(ns, "app", "theirs", "+reg")
			for _, edit := range []struct {
				rules string
				want  []string
			}{{both, []string{"theirs", "+reg", "+ghcr"}}, {oneRule, []string{"theirs", "+reg"}}, {both, []string{"theirs", "+reg", "+ghcr"}}} {
				s.revised("Ready", edit.rules+all)
				s.wantList(ns, "app", edit.want...)
				s.seen()
				s.eventually("the owner applies without conflict", func() error { return apply(s, ns, manifest) }) // we may be between two writes
				before := s.get(accounts, ns, "app").GetResourceVersion()
				must(t, apply(s, ns, manifest))
				s.wantList(ns, "app", edit.want...)
				if after := s.get(accounts, ns, "app"); after.GetResourceVersion() != before {
					t.Errorf("the second apply changed it: %v", after.Object)
				}
			}
			s.revised("Ready", noRules)
			s.wantList(ns, "app", "theirs")
			must(t, apply(s, ns, manifest))
		})
	}
}
