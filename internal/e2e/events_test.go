package e2e

import (
	"fmt"
	"testing"
)

// Every kind of event converges by itself: the controller has no resync and no timer that could do it instead.

func TestANewNamespaceIsServed(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	s.start()
	s.revised("Ready", oneRule)
	ns := s.namespace("a")
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	s.wantList(ns, "default", "+reg")
}

func TestAPolicyEditRollsOutAndPrunes(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	s.source("ghcr", credential("ghcr.example", "two"))
	a, b := s.namespace("a"), s.namespace("b", "team=x")
	s.start()
	s.policy(oneRule)
	s.wantList(a, "default", "+reg")
	s.wantList(b, "default", "+reg")

	s.policy(oneRule + `
- name: ghcr
  secrets: [{source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIX*"], selector: {matchLabels: {team: x}}}
  serviceAccounts: {include: ["*"]}
`)
	s.wantCopy(b, "ghcr", credential("ghcr.example", "two"))
	s.wantList(b, "default", "+reg", "+ghcr")
	s.wantList(a, "default", "+reg")
	s.wantNoCopy(a, "ghcr")

	s.policy(`
- name: ghcr
  secrets: [{source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIX*"], selector: {matchLabels: {team: x}}}
`)
	s.wantList(a, "default")
	s.wantList(b, "default", "+ghcr")
	s.wantNoCopy(a, "reg")
	s.wantNoCopy(b, "reg")
	s.wantCopy(b, "ghcr", credential("ghcr.example", "two"))
}

func TestARotatedSourceIsRolledOutInPlace(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.start()
	s.policy(oneRule)
	before := s.wantCopy(ns, "reg", credential("hub.example", "one"))
	s.source("hub", credential("hub.example", "two"))
	after := s.wantCopy(ns, "reg", credential("hub.example", "two"))
	if before.GetUID() != after.GetUID() {
		t.Error("the copy was deleted and re-created; kubelet would have to pull every image again")
	}
}

func TestLabelsOfNamespacesAndAccountsDecide(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.account(ns, "ci")
	s.start()
	s.revised("Ready", `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"], selector: {matchLabels: {pull: "yes"}}}
  serviceAccounts: {include: ["*"], selector: {matchExpressions: [{key: no-pull, operator: DoesNotExist}]}}
`)
	s.wantNoCopy(ns, "reg")
	s.merge(namespaces, "", ns, `{"metadata":{"labels":{"pull":"yes"}}}`)
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	s.wantList(ns, "ci", "+reg")
	s.wantList(ns, "default", "+reg")

	s.merge(accounts, ns, "ci", `{"metadata":{"labels":{"no-pull":""}}}`)
	s.wantList(ns, "ci")
	s.wantList(ns, "default", "+reg")
	s.merge(accounts, ns, "ci", `{"metadata":{"labels":{"no-pull":null}}}`)
	s.wantList(ns, "ci", "+reg")

	s.merge(namespaces, "", ns, `{"metadata":{"labels":{"pull":null}}}`)
	s.wantList(ns, "ci")
	s.wantList(ns, "default")
	s.wantNoCopy(ns, "reg")
}

func TestOptOutsActAsIfNoRuleMatched(t *testing.T) {
	for _, annotation := range []string{"pullsecrets/exclude", "k8s.titansoft.com/imagepullsecret-patcher-exclude"} {
		t.Run(annotation, func(t *testing.T) {
			s := newSandbox(t)
			s.source("hub", credential("hub.example", "one"))
			ns := s.namespace("a")
			s.start()
			s.policy(oneRule)
			s.wantList(ns, "default", "+reg")
			s.merge(namespaces, "", ns, fmt.Sprintf(`{"metadata":{"annotations":{%q:"true"}}}`, annotation))
			s.wantList(ns, "default")
			s.wantNoCopy(ns, "reg")
			s.merge(namespaces, "", ns, fmt.Sprintf(`{"metadata":{"annotations":{%q:"yes"}}}`, annotation))
			s.wantList(ns, "default", "+reg")
		})
	}
}

func TestANewAndARecreatedAccountAreServed(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.start()
	s.revised("Ready", `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"]}
  serviceAccounts: {include: [default, "ci-*"]}
`)
	s.account(ns, "ci-1")
	s.wantList(ns, "ci-1", "+reg")
	s.account(ns, "web")
	s.delete(accounts, ns, "ci-1")
	s.account(ns, "ci-1")
	s.wantList(ns, "ci-1", "+reg")
	s.delete(accounts, ns, "default") // the service account controller makes a new one
	s.wantList(ns, "default", "+reg")
	s.wantList(ns, "web")
}

func TestACopyThatIsEditedOrDeletedIsRepaired(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	r := s.start()
	s.policy(oneRule)
	made := s.wantCopy(ns, "reg", credential("hub.example", "one"))

	s.merge(secrets, ns, s.name("reg"), `{"data":{".dockerconfigjson":"eyJhdXRocyI6e319"}}`)
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	s.eventually("the repair is explained by a diff", func() error {
		if len(r.lines("replacing what somebody else wrote", "registry hub.example: added", `content owned by \"somebody\"`)) == 0 {
			return fmt.Errorf("no such line")
		}
		return nil
	})
	s.merge(secrets, ns, s.name("reg"), `{"metadata":{"labels":{"app.kubernetes.io/managed-by":null},"annotations":{"pullsecrets/rule":"x"}}}`)
	s.eventually("the marks are repaired", func() error {
		u := s.get(secrets, ns, s.name("reg"))
		if u.GetLabels()["app.kubernetes.io/managed-by"] != "pullsecrets" || u.GetAnnotations()["pullsecrets/rule"] != "hub" {
			return fmt.Errorf("%v %v", u.GetLabels(), u.GetAnnotations())
		}
		return nil
	})
	if got := s.wantCopy(ns, "reg", credential("hub.example", "one")); got.GetUID() != made.GetUID() {
		t.Error("a repair re-created the copy")
	}
	s.delete(secrets, ns, s.name("reg"))
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
}
