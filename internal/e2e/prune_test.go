package e2e

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// fourteen copies, of which more than ten may not go at once.
func (s *sandbox) fourteen() (all []string) {
	for i := range 14 {
		all = append(all, s.namespace(fmt.Sprintf("n%02d", i), "pull=yes"))
	}
	return all
}

func (s *sandbox) confirm() {
	s.t.Helper()
	observed := s.get(configMaps, home, "pullsecrets-policy").GetAnnotations()["pullsecrets/observed"]
	s.merge(configMaps, home, "pullsecrets-policy", fmt.Sprintf(`{"metadata":{"annotations":{"pullsecrets/confirm-prune":%q}}}`, observed))
}

// wantAll checks that all namespaces have their copy and reference now, or that none has.
func (s *sandbox) wantAll(all []string, there bool) {
	s.t.Helper()
	for _, ns := range all {
		list, err := s.listOf(ns, "default")
		must(s.t, err)
		_, err = s.client.Resource(secrets).Namespace(ns).Get(s.ctx, s.name("reg"), metav1.GetOptions{})
		if (len(list) > 0) != there || (err == nil) != there {
			s.t.Errorf("%s: list %v, copy %v; want them there: %t", ns, list, err == nil, there)
		}
	}
}

const onlyLabelled = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"], selector: {matchLabels: {pull: "yes"}}}
`

func TestAnEditThatRemovesTooMuchIsHeldUntilConfirmed(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	all := s.fourteen()
	r := s.start()
	s.revised("Ready", onlyLabelled)
	s.revised("Degraded", noRules)
	s.wantStatus("Degraded", "PruneHeld", "pullsecrets/confirm-prune")
	s.wantAll(all, true)

	// A restart does not forget it, and additions go on meanwhile.
	r.stop()
	s.start()
	s.revised("Degraded", `
- name: other
  secrets: [{source: {name: hub}, name: PREFIXother}]
  namespaces: {include: ["PREFIXn00"]}
`)
	s.wantCopy(all[0], "other", credential("hub.example", "one"))
	s.wantList(all[0], "default", "+reg", "+other")
	s.wantAll(all, true)

	s.confirm()
	s.wantStatus("Ready")
	s.wantAll(all[1:], false)
	s.wantList(all[0], "default", "+other")
}

func TestLabelsThatVanishEverywhereAreHeldToo(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	all := s.fourteen()
	s.start()
	s.revised("Ready", onlyLabelled)
	for _, ns := range all {
		s.merge(namespaces, "", ns, `{"metadata":{"labels":{"pull":null}}}`)
	}
	s.wantStatus("Degraded", "PruneHeld")
	left := 0
	for _, ns := range all {
		if list, err := s.listOf(ns, "default"); err == nil && len(list) > 0 {
			left++
		}
	}
	if left < 4 {
		t.Errorf("%d of 14 are left, want at least 4", left)
	}
	for _, ns := range all {
		s.merge(namespaces, "", ns, `{"metadata":{"labels":{"pull":"yes"}}}`)
	}
	for _, ns := range all {
		s.wantList(ns, "default", "+reg")
	}
	s.wantStatus("Ready")

	for _, ns := range all {
		s.merge(namespaces, "", ns, `{"metadata":{"labels":{"pull":null}}}`)
	}
	s.wantStatus("Degraded", "PruneHeld")
	s.confirm()
	s.wantStatus("Ready")
	s.wantAll(all, false)
}

// A mistyped account name would take the references of all pods away, and no copy.
func TestReferencesThatVanishEverywhereAreHeldToo(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	all := s.fourteen()
	s.start()
	s.revised("Ready", onlyLabelled)
	s.revised("Degraded", onlyLabelled+"  serviceAccounts: {include: [defualt]}\n")
	s.wantStatus("Degraded", "PruneHeld")
	s.wantAll(all, true)
	s.confirm()
	s.wantStatus("Ready")
	for _, ns := range all {
		s.wantList(ns, "default")
		s.wantCopy(ns, "reg", credential("hub.example", "one"))
	}
}

// Somebody deletes the status while we are away, and a rule goes too: what the ledgers name is still ours.
func TestALostStatusIsRecoveredFromTheLedgers(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	r := s.start()
	s.revised("Ready", oneRule)
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	r.stop()
	s.delete(configMaps, home, "pullsecrets-status")
	s.policy(noRules)
	s.start()
	s.wantList(ns, "default")
	s.wantNoCopy(ns, "reg")
	s.wantStatus("Ready")
}
