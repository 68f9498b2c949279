package e2e

import (
	"fmt"
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// Every kind of event converges by itself: the controller has no resync and no timer that could do it instead.

func TestANewNamespaceIsServed(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Start()
	s.Revised("Ready", harness.OneRule)
	ns := s.Namespace("a")
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.WantList(ns, "default", "+reg")
}

func TestAPolicyEditRollsOutAndPrunes(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Source("ghcr", api.Credential("ghcr.example", "two"))
	a, b := s.Namespace("a"), s.Namespace("b", "team=x")
	s.Start()
	s.Policy(harness.OneRule)
	s.WantList(a, "default", "+reg")
	s.WantList(b, "default", "+reg")

	s.Policy(harness.OneRule + `
- name: ghcr
  secrets: [{source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIX*"], selector: {matchLabels: {team: x}}}
  serviceAccounts: {include: ["*"]}
`)
	s.WantCopy(b, "ghcr", api.Credential("ghcr.example", "two"))
	s.WantList(b, "default", "+reg", "+ghcr")
	s.WantList(a, "default", "+reg")
	s.WantNoCopy(a, "ghcr")

	s.Policy(`
- name: ghcr
  secrets: [{source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIX*"], selector: {matchLabels: {team: x}}}
`)
	s.WantList(a, "default")
	s.WantList(b, "default", "+ghcr")
	s.WantNoCopy(a, "reg")
	s.WantNoCopy(b, "reg")
	s.WantCopy(b, "ghcr", api.Credential("ghcr.example", "two"))
}

func TestARotatedSourceIsRolledOutInPlace(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Start()
	s.Policy(harness.OneRule)
	before := s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.Source("hub", api.Credential("hub.example", "two"))
	after := s.WantCopy(ns, "reg", api.Credential("hub.example", "two"))
	if before.GetUID() != after.GetUID() {
		t.Error("the copy was deleted and re-created; kubelet would have to pull every image again")
	}
}

func TestLabelsOfNamespacesAndAccountsDecide(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Account(ns, "ci")
	s.Start()
	s.Revised("Ready", `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"], selector: {matchLabels: {pull: "yes"}}}
  serviceAccounts: {include: ["*"], selector: {matchExpressions: [{key: no-pull, operator: DoesNotExist}]}}
`)
	s.WantNoCopy(ns, "reg")
	s.Merge(api.Namespaces, "", ns, `{"metadata":{"labels":{"pull":"yes"}}}`)
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.WantList(ns, "ci", "+reg")
	s.WantList(ns, "default", "+reg")

	s.Merge(api.Accounts, ns, "ci", `{"metadata":{"labels":{"no-pull":""}}}`)
	s.WantList(ns, "ci")
	s.WantList(ns, "default", "+reg")
	s.Merge(api.Accounts, ns, "ci", `{"metadata":{"labels":{"no-pull":null}}}`)
	s.WantList(ns, "ci", "+reg")

	s.Merge(api.Namespaces, "", ns, `{"metadata":{"labels":{"pull":null}}}`)
	s.WantList(ns, "ci")
	s.WantList(ns, "default")
	s.WantNoCopy(ns, "reg")
}

func TestOptOutsActAsIfNoRuleMatched(t *testing.T) {
	for _, annotation := range []string{"pullsecrets/exclude", "k8s.titansoft.com/imagepullsecret-patcher-exclude"} {
		t.Run(annotation, func(t *testing.T) {
			s := newSandbox(t)
			s.Source("hub", api.Credential("hub.example", "one"))
			ns := s.Namespace("a")
			s.Start()
			s.Policy(harness.OneRule)
			s.WantList(ns, "default", "+reg")
			s.Merge(api.Namespaces, "", ns, fmt.Sprintf(`{"metadata":{"annotations":{%q:"true"}}}`, annotation))
			s.WantList(ns, "default")
			s.WantNoCopy(ns, "reg")
			s.Merge(api.Namespaces, "", ns, fmt.Sprintf(`{"metadata":{"annotations":{%q:"yes"}}}`, annotation))
			s.WantList(ns, "default", "+reg")
		})
	}
}

func TestANewAndARecreatedAccountAreServed(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Start()
	s.Revised("Ready", `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"]}
  serviceAccounts: {include: [default, "ci-*"]}
`)
	s.Account(ns, "ci-1")
	s.WantList(ns, "ci-1", "+reg")
	s.Account(ns, "web")
	s.Delete(api.Accounts, ns, "ci-1")
	s.Account(ns, "ci-1")
	s.WantList(ns, "ci-1", "+reg")
	s.Delete(api.Accounts, ns, "default") // the service account controller makes a new one
	s.WantList(ns, "default", "+reg")
	s.WantList(ns, "web")
}

func TestACopyThatIsEditedOrDeletedIsRepaired(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	r := s.Start()
	s.Policy(harness.OneRule)
	made := s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))

	s.Merge(api.Secrets, ns, s.Name("reg"), `{"data":{".dockerconfigjson":"eyJhdXRocyI6e319"}}`)
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.Eventually("the repair is explained by a diff", func() error {
		if len(r.Lines("replacing what somebody else wrote", "registry hub.example: added", `content owned by \"somebody\"`)) == 0 {
			return fmt.Errorf("no such line")
		}
		return nil
	})
	s.Merge(api.Secrets, ns, s.Name("reg"), `{"metadata":{"labels":{"app.kubernetes.io/managed-by":null},"annotations":{"pullsecrets/rule":"x"}}}`)
	s.Eventually("the marks are repaired", func() error {
		u := s.Get(api.Secrets, ns, s.Name("reg"))
		if u.GetLabels()["app.kubernetes.io/managed-by"] != "pullsecrets" || u.GetAnnotations()["pullsecrets/rule"] != "hub" {
			return fmt.Errorf("%v %v", u.GetLabels(), u.GetAnnotations())
		}
		return nil
	})
	if got := s.WantCopy(ns, "reg", api.Credential("hub.example", "one")); got.GetUID() != made.GetUID() {
		t.Error("a repair re-created the copy")
	}
	s.Delete(api.Secrets, ns, s.Name("reg"))
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
}
