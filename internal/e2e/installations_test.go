package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/purge"
)

// installation is a second one, in a namespace of its own.
type installation struct {
	*sandbox
	home string
}

func (s *sandbox) installation(short string) *installation {
	return &installation{s, s.Namespace(short)}
}

// revised puts rules into the installation's policy ConfigMap, and waits for a status.
func (i *installation) revised(status, rules string) {
	i.T.Helper()
	harness.Revisions++
	revision := fmt.Sprintf("r%d", harness.Revisions)
	i.PolicyIn(i.home, i.Rules(rules), "pullsecrets/revision="+revision)
	i.Eventually("the second installation is "+status, func() error {
		got := i.Get(api.ConfigMaps, i.home, "pullsecrets-policy").GetAnnotations()
		if got["pullsecrets/status"] != status || got["pullsecrets/observed-revision"] != revision {
			return fmt.Errorf("annotations: %v", got)
		}
		return nil
	})
}

// TestTwoInstallationsLeaveEachOtherAlone has one with the admission component, and one without; they meet in the
// namespace both. The first one forces, which is for what is nobody's of pullsecrets.
func TestTwoInstallationsLeaveEachOtherAlone(t *testing.T) {
	s := newAdmissionSandbox(t)
	one, two, both := s.Namespace("one"), s.Namespace("two"), s.Namespace("both")
	s.Source("hub", api.Credential("hub.example", "one"))
	second := s.installation("second")
	s.Create(api.Secrets, api.Secret(second.home, "hub", api.Credential("hub.example", "two")))
	var writes atomic.Int32
	count := harness.Before(func(r *http.Request) {
		if r.Method != http.MethodGet && (strings.Contains(r.URL.Path, "/secrets/") || strings.Contains(r.URL.Path, "/serviceaccounts/")) {
			writes.Add(1)
		}
	})
	first := s.Start(count)
	s.Revised("Ready", `
- name: hub
  force: true
  secrets: [{source: {name: hub}, name: PREFIXreg}, {source: {name: hub}, name: PREFIXone}]
  namespaces: {include: [PREFIXone, PREFIXboth]}
`)
	s.WantCopy(both, "reg", api.Credential("hub.example", "one"))
	s.WantList(both, "default", "+reg", "+one")
	s.Admission = false
	other := s.StartIn(second.home, count)
	second.revised("Degraded", `
- name: hub
  force: true
  secrets: [{source: {name: hub}, name: PREFIXreg}, {source: {name: hub}, name: PREFIXtwo}]
  namespaces: {include: [PREFIXtwo, PREFIXboth]}
`)
	s.WantList(two, "default", "+reg", "+two")
	s.WantCopy(two, "reg", api.Credential("hub.example", "two"))
	s.WantCopy(both, "two", api.Credential("hub.example", "two"))
	s.WantList(both, "default", "+reg", "+one")
	s.WantCopy(both, "reg", api.Credential("hub.example", "one"))
	message := s.Get(api.ConfigMaps, second.home, "pullsecrets-policy").GetAnnotations()["pullsecrets/message"]
	if !strings.Contains(message, "OtherInstallation") || !strings.Contains(message, "namespace pullsecrets") {
		t.Errorf("the second one says %q", message)
	}
	s.WantStatus("Ready")
	at := writes.Load()
	s.Merge(api.Accounts, both, "default", `{"metadata":{"labels":{"a":"b"}}}`) // both look again
	s.Merge(api.Accounts, one, "default", `{"metadata":{"labels":{"a":"b"}}}`)
	third := s.Namespace("third")
	s.Source("hub", api.Credential("hub.example", "three"))
	s.WantCopy(one, "one", api.Credential("hub.example", "three"))
	s.WantCopy(both, "reg", api.Credential("hub.example", "three"))
	s.WantCopy(both, "one", api.Credential("hub.example", "three"))
	s.WantCopy(one, "reg", api.Credential("hub.example", "three"))
	if n := writes.Load() - at; n != 4 {
		t.Errorf("a rotation of four copies took %d writes", n)
	}
	if got, _ := s.ListOf(third, "default"); len(got) > 0 {
		t.Errorf("a namespace that neither selects got %v", got)
	}

	other.Stop()
	p, err := purge.New(s.Ctx, s.Client, inspect.Place{Namespace: second.home, StatusName: "pullsecrets-status"}, zerolog.Nop())
	harness.Must(t, err)
	harness.Must(t, p.Run(s.Ctx))
	s.WantList(two, "default")
	s.WantNoCopy(two, "reg")
	s.WantNoCopy(both, "two")
	s.WantList(both, "default", "+reg", "+one")
	s.WantCopy(both, "reg", api.Credential("hub.example", "three"))
	if lines := first.Reported(); len(lines) > 0 {
		t.Errorf("the first one complained:\n%s", strings.Join(lines, "\n"))
	}
}

// TestARecordWithoutNamesBlocksNobody has a rule that does not prune leave such a record: while it is there, the other
// installation adds nothing, and when the rule goes, the record goes too.
func TestARecordWithoutNamesBlocksNobody(t *testing.T) {
	s := newSandbox(t)
	both := s.Namespace("both")
	second := s.installation("second")
	s.Create(api.Secrets, api.Secret(second.home, "hub", api.Credential("hub.example", "two")))
	s.StartIn(second.home)
	second.revised("Ready", `
- name: stays
  prune: false
  secrets: [{source: {name: hub}, name: PREFIXtwo}]
  namespaces: {include: [PREFIXboth]}
`)
	s.WantList(both, "default", "+two")
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Start()
	s.Revised("Degraded", `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXone}]
  namespaces: {include: [PREFIXboth]}
`)
	s.WantCopy(both, "one", api.Credential("hub.example", "one"))
	s.WantList(both, "default", "+two")
	second.revised("Ready", `
- name: elsewhere
  secrets: [{source: {name: hub}, name: PREFIXtwo}]
  namespaces: {include: [PREFIXsecond]}
`)
	s.WantList(both, "default", "+two", "+one")
	s.WantStatus("Ready")
}
