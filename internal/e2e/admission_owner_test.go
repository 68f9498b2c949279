package e2e

import (
	"fmt"
	"sync"
	"testing"
)

// goesOn does something again and again until it is asked how that went.
func (s *sandbox) goesOn(do func() error) func() error {
	stop, result := make(chan struct{}), make(chan error, 1)
	end := sync.OnceFunc(func() { close(stop) })
	s.t.Cleanup(end)
	go func() {
		var first error
		for {
			if err := do(); first == nil {
				first = err
			}
			select {
			case <-stop:
				result <- first
				return
			default:
			}
		}
	}()
	return func() error {
		end()
		return <-result
	}
}

// TestAPolicyEditLeavesTheListToItsOwner changes the names on accounts whose owner applies a list of its own without
// force. Under admission it need not be ours for our names to stay in it.
func TestAPolicyEditLeavesTheListToItsOwner(t *testing.T) {
	for way, apply := range appliers {
		t.Run(way, func(t *testing.T) {
			s := newAdmissionSandbox(t)
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
				meanwhile := func() error { return nil }
				if edit.rules == both { // between the two writes of a removal the list is ours
					meanwhile = s.goesOn(func() error { return apply(s, ns, manifest) })
				}
				s.revised("Ready", edit.rules+all)
				s.wantList(ns, "app", edit.want...)
				if err := meanwhile(); err != nil {
					t.Errorf("while names were added: %v", err)
				}
				s.seen()
				s.eventually("a further apply changes nothing", func() error { // the controller may be about to note what the owner did
					if err := apply(s, ns, manifest); err != nil { // we may be between the two writes of a removal
						return err
					}
					before := s.get(accounts, ns, "app")
					must(t, apply(s, ns, manifest))
					if after := s.get(accounts, ns, "app"); after.GetResourceVersion() != before.GetResourceVersion() {
						return fmt.Errorf("it became %v", after.Object)
					}
					return nil
				})
				s.wantList(ns, "app", edit.want...)
			}
			s.revised("Ready", noRules)
			s.wantList(ns, "app", "theirs")
			must(t, apply(s, ns, manifest))
		})
	}
}

// TestAdmissionClaimsNoLedgerOfAnEarlierVersion writes accounts whose ledger names no installation: one with names of
// this one alone, one that has another's too.
func TestAdmissionClaimsNoLedgerOfAnEarlierVersion(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	r := s.start()
	s.revised("Ready", "\n- name: hub\n  secrets: [{source: {name: hub}, name: PREFIXreg}, {source: {name: hub}, name: PREFIXtwo}]\n  namespaces: {include: [\"PREFIX*\"]}\n  serviceAccounts: {include: [\"app-*\"]}\n")
	s.seen()
	r.stop()
	for name, c := range map[string]struct{ ledger, want string }{
		"app-ours":   {s.name("reg"), s.ledger(ns, "reg", "two")},
		"app-others": {s.name("reg") + "," + s.name("theirs"), s.name("reg") + "," + s.name("theirs") + "," + s.name("two")},
	} {
		account := object("v1", "ServiceAccount", ns, name)
		account.SetAnnotations(map[string]string{"pullsecrets/added": c.ledger})
		account.Object["imagePullSecrets"] = []any{map[string]any{"name": s.name("reg")}, map[string]any{"name": s.name("theirs")}}
		got := s.create(accounts, account).GetAnnotations()["pullsecrets/added"]
		if got != c.want {
			t.Errorf("%s: the ledger is %q, want %q", name, got, c.want)
		}
	}
}
