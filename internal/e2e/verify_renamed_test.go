package e2e

import (
	"slices"
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

const renamed = `
- name: hub
  secrets: [{source: {name: hub2}, name: PREFIXreg2, verify: true}, {source: {name: silent}, name: PREFIXsilent, verify: true}]
  namespaces: {include: ["PREFIX*"]}
`

const onlyRenamed = `
- name: hub
  secrets: [{source: {name: hub2}, name: PREFIXreg2, verify: true}]
  namespaces: {include: ["PREFIX*"]}
`

// TestWhatIsReplacedStaysUntilItsReplacementComes: the copies get another name and another source, as where a hash is part of both,
// and the registry refuses the new credential. What pods pull with stays. That it is refused is told although another source of
// the policy waits for an answer all the time.
func TestWhatIsReplacedStaysUntilItsReplacementComes(t *testing.T) {
	s, registry := newVerifySandbox(t, "one", "three")
	ns := s.Namespace("a")
	s.Source("hub", registry.credential("one"))
	s.Start()
	s.Revised("Ready", verified)
	s.WantCopy(ns, "reg", registry.credential("one"))

	s.Source("hub2", registry.credential("two"))
	s.Source("silent", api.Credential("127.0.0.1:1", "nobody"))
	s.Policy(renamed)
	s.WantStatus("Degraded", "SourceRefused", registry.host+" refuses the credential")
	s.WantCopy(ns, "reg", registry.credential("one"))
	if list, err := s.ListOf(ns, "default"); err != nil || !slices.Contains(list, s.Name("reg")) || s.Has(ns, "reg2") {
		t.Errorf("the list is %v (%v), and the new copy is there: %t", list, err, s.Has(ns, "reg2"))
	}

	s.Source("hub2", registry.credential("three"))
	s.WantCopy(ns, "reg2", registry.credential("three"))
	s.WantCopy(ns, "reg", registry.credential("one")) // until the other one is there too, or not wanted any more
	s.Revised("Ready", onlyRenamed)
	s.WantNoCopy(ns, "reg")
	s.WantList(ns, "default", "+reg2")
}
