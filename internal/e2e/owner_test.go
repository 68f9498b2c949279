package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/purge"
)

// after waits until the controller has worked on everything that happened before: on a namespace that is made now.
func (s *sandbox) after() {
	s.t.Helper()
	revisions++
	s.wantList(s.namespace(fmt.Sprintf("after-%d", revisions)), "default", "+reg")
}

// untouched checks that an object is as it was.
func (s *sandbox) untouched(before *unstructured.Unstructured) {
	s.t.Helper()
	now, err := s.client.Resource(secrets).Namespace(before.GetNamespace()).Get(s.ctx, before.GetName(), metav1.GetOptions{})
	if err != nil || now.GetUID() != before.GetUID() || now.GetResourceVersion() != before.GetResourceVersion() {
		s.t.Errorf("%s/%s was touched: %v", before.GetNamespace(), before.GetName(), err)
	}
}

// TestACopyThatSomebodyCopiedIsTheirs copies a copy in the ways in which people and tools do, into namespaces that no
// rule selects, and into one that a rule does.
func TestACopyThatSomebodyCopiedIsTheirs(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns, elsewhere, wanted := s.namespace("after-a"), s.namespace("b"), s.namespace("after-c", "later=yes")
	s.merge(namespaces, "", wanted, `{"metadata":{"annotations":{"pullsecrets/exclude":"true"}}}`)
	r := s.start()
	s.revised("Ready", s.expand(`
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIXafter-*"]}
`))
	copied := s.wantCopy(ns, "reg", credential("hub.example", "one"))
	into := func(ns, content string, whole bool) *unstructured.Unstructured {
		u := copied.DeepCopy()
		u.SetNamespace(ns)
		u.SetUID("")
		u.SetResourceVersion("")
		if !whole {
			u.SetManagedFields(nil)
		}
		u.Object["data"] = secret("", "", content).Object["data"]
		return u
	}
	var theirs []*unstructured.Unstructured
	theirs = append(theirs, s.create(secrets, into(elsewhere, credential("theirs.example", "x"), true)))
	propagated := s.namespace("d")
	text, err := json.Marshal(into(propagated, credential("hub.example", "one"), false).Object)
	must(t, err)
	if out, err := s.kubectl(string(text), "apply", "-f", "-"); err != nil {
		t.Fatal(out)
	}
	theirs = append(theirs, s.get(secrets, propagated, s.name("reg")))
	theirs = append(theirs, s.create(secrets, into(wanted, credential("theirs.example", "x"), true)))
	s.after()
	s.merge(namespaces, "", wanted, `{"metadata":{"annotations":{"pullsecrets/exclude":null}}}`)
	s.wantStatus("Degraded", "ForeignSecret")
	s.after()
	r.stop() // and a start does not know them any better
	s.start()
	s.after()
	for _, u := range theirs {
		s.untouched(u)
	}
	p, err := s.purge()
	must(t, err)
	if n := p.Count(); n.Copies != len(s.ownNamespaces())-3 { // one in each but those three
		t.Errorf("purge would remove %d copies, in %d namespaces", n.Copies, len(s.ownNamespaces()))
	}
}

// installation is a second one, in a namespace of its own.
type installation struct {
	*sandbox
	home string
}

func (s *sandbox) installation(short string) *installation {
	return &installation{s, s.namespace(short)}
}

// policy puts rules into the installation's policy ConfigMap, and waits for a status.
func (i *installation) revised(status, rules string) {
	i.t.Helper()
	revisions++
	cm := object("v1", "ConfigMap", i.home, "pullsecrets-policy")
	cm.Object["data"] = map[string]any{"policy.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n" + i.expand(rules)}
	revision := fmt.Sprintf("r%d", revisions)
	cm.SetAnnotations(map[string]string{"pullsecrets/revision": revision})
	_, err := i.client.Resource(configMaps).Namespace(i.home).Apply(i.ctx, cm.GetName(), cm, metav1.ApplyOptions{FieldManager: "gitops", Force: true})
	must(i.t, err)
	i.eventually("the second installation is "+status, func() error {
		got := i.get(configMaps, i.home, "pullsecrets-policy").GetAnnotations()
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
	one, two, both := s.namespace("one"), s.namespace("two"), s.namespace("both")
	s.source("hub", credential("hub.example", "one"))
	second := s.installation("second")
	s.create(secrets, secret(second.home, "hub", credential("hub.example", "two")))
	var writes atomic.Int32
	count := before(func(r *http.Request) {
		if r.Method != http.MethodGet && (strings.Contains(r.URL.Path, "/secrets/") || strings.Contains(r.URL.Path, "/serviceaccounts/")) {
			writes.Add(1)
		}
	})
	first := s.start(count)
	s.revised("Ready", `
- name: hub
  force: true
  secrets: [{source: {name: hub}, name: PREFIXreg}, {source: {name: hub}, name: PREFIXone}]
  namespaces: {include: [PREFIXone, PREFIXboth]}
`)
	s.wantCopy(both, "reg", credential("hub.example", "one"))
	s.wantList(both, "default", "+reg", "+one")
	s.admission = false
	other := s.startIn(second.home, count)
	second.revised("Degraded", `
- name: hub
  force: true
  secrets: [{source: {name: hub}, name: PREFIXreg}, {source: {name: hub}, name: PREFIXtwo}]
  namespaces: {include: [PREFIXtwo, PREFIXboth]}
`)
	s.wantList(two, "default", "+reg", "+two")
	s.wantCopy(two, "reg", credential("hub.example", "two"))
	s.wantCopy(both, "two", credential("hub.example", "two"))
	s.wantList(both, "default", "+reg", "+one")
	s.wantCopy(both, "reg", credential("hub.example", "one"))
	message := s.get(configMaps, second.home, "pullsecrets-policy").GetAnnotations()["pullsecrets/message"]
	if !strings.Contains(message, "OtherInstallation") || !strings.Contains(message, "namespace pullsecrets") {
		t.Errorf("the second one says %q", message)
	}
	s.wantStatus("Ready")
	at := writes.Load()
	s.merge(accounts, both, "default", `{"metadata":{"labels":{"a":"b"}}}`) // both look again
	s.merge(accounts, one, "default", `{"metadata":{"labels":{"a":"b"}}}`)
	third := s.namespace("third")
	s.source("hub", credential("hub.example", "three"))
	s.wantCopy(one, "one", credential("hub.example", "three"))
	s.wantCopy(both, "reg", credential("hub.example", "three"))
	s.wantCopy(both, "one", credential("hub.example", "three"))
	s.wantCopy(one, "reg", credential("hub.example", "three"))
	if n := writes.Load() - at; n != 4 {
		t.Errorf("a rotation of four copies took %d writes", n)
	}
	if got, _ := s.listOf(third, "default"); len(got) > 0 {
		t.Errorf("a namespace that neither selects got %v", got)
	}

	other.stop()
	p, err := purge.New(s.ctx, s.client, inspect.Place{Namespace: second.home, StatusName: "pullsecrets-status"}, zerolog.Nop())
	must(t, err)
	must(t, p.Run(s.ctx))
	s.wantList(two, "default")
	s.wantNoCopy(two, "reg")
	s.wantNoCopy(both, "two")
	s.wantList(both, "default", "+reg", "+one")
	s.wantCopy(both, "reg", credential("hub.example", "three"))
	if lines := first.reported(); len(lines) > 0 {
		t.Errorf("the first one complained:\n%s", strings.Join(lines, "\n"))
	}
}

// TestATeamThatDeclaresTheCopysNameHasIt writes the same content again after each repair, as a GitOps tool does for
// what a team put into git after the copy was there.
func TestATeamThatDeclaresTheCopysNameHasIt(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	var writes atomic.Int32
	count := before(func(r *http.Request) {
		if isWrite(r, ns, "secrets", s.name("reg")) {
			writes.Add(1)
		}
	})
	r := s.start(count)
	s.revised("Ready", oneRule)
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	declare := func() {
		u := secret(ns, s.name("reg"), credential("theirs.example", "x"))
		_, err := s.client.Resource(secrets).Namespace(ns).Apply(s.ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "kustomize-controller", Force: true})
		must(t, err)
	}
	s.eventually("it is given up", func() error {
		declare()
		u := s.get(secrets, ns, s.name("reg"))
		if _, marked := u.GetAnnotations()["pullsecrets/for"]; marked {
			return errors.New("it has our mark")
		}
		return nil
	})
	declare()
	s.wantStatus("Degraded", "ForeignSecret", "kustomize-controller")
	theirs := s.wantCopy(ns, "reg", credential("theirs.example", "x"))
	if n := writes.Load(); n > 1+3+1 {
		t.Errorf("%d writes: one made it, three were repairs, one gave it up", n)
	}
	r.stop()
	s.start(count)
	s.after()
	s.untouched(theirs)

	s.delete(secrets, ns, s.name("reg")) // the team takes it out of git
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	s.wantStatus("Ready")
}

// TestAfterEditsByHandASourceStillRotates edits a copy as often as a tool that insists would, and then no more.
func TestAfterEditsByHandASourceStillRotates(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.start()
	s.revised("Ready", oneRule)
	for i := range 3 {
		s.wantCopy(ns, "reg", credential("hub.example", "one"))
		edit, err := json.Marshal(map[string]any{"data": secret("", "", credential("hand.example", fmt.Sprint(i))).Object["data"]})
		must(t, err)
		edited, err := s.client.Resource(secrets).Namespace(ns).Patch(s.ctx, s.name("reg"), types.MergePatchType, edit, metav1.PatchOptions{FieldManager: "kubectl-edit"})
		must(t, err)
		s.eventually("it is repaired", func() error {
			if now := s.get(secrets, ns, s.name("reg")); now.GetResourceVersion() == edited.GetResourceVersion() {
				return errors.New("it is as it was edited")
			}
			return nil
		})
	}
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	s.source("hub", credential("hub.example", "two"))
	s.wantCopy(ns, "reg", credential("hub.example", "two"))
	s.wantStatus("Ready")
}

// TestAManifestMadeFromTheCopyIsContested has a tool apply an older copy, marks and all. Taking our marks off would not
// make it the tool's: they come back.
func TestAManifestMadeFromTheCopyIsContested(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	r := s.start()
	s.revised("Ready", oneRule)
	exported := s.wantCopy(ns, "reg", credential("hub.example", "one")).DeepCopy()
	exported.SetManagedFields(nil)
	exported.SetUID("")
	exported.SetResourceVersion("")
	s.source("hub", credential("hub.example", "two"))
	s.wantCopy(ns, "reg", credential("hub.example", "two"))
	blows, last := 0, ""
	for range 60 {
		u, err := s.client.Resource(secrets).Namespace(ns).Apply(s.ctx, exported.GetName(), exported, metav1.ApplyOptions{FieldManager: "argocd-controller", Force: true})
		must(t, err)
		if version := u.GetResourceVersion(); version != last {
			blows, last = blows+1, version
		}
		time.Sleep(50 * time.Millisecond)
	}
	if blows > 3+3 { // three free repairs, and those of the first three seconds
		t.Errorf("%d blows in three seconds", blows)
	}
	s.wantStatus("Degraded", "Contested", "argocd-controller")
	if lines := r.lines("copy given up"); len(lines) > 0 {
		t.Error(lines)
	}
}

// TestWhatABackupBringsBackOfAGoneRuleIsPruned restores a copy and a ledger while the controller runs, in the form of an
// earlier version, and in that of today.
func TestWhatABackupBringsBackOfAGoneRuleIsPruned(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns, now := s.namespace("a"), s.namespace("b")
	r := s.start()
	s.revised("Ready", oneRule)
	s.wantList(ns, "default", "+reg")
	s.wantList(now, "default", "+reg")
	restore := func(ns, ledger string, marks map[string]string) {
		u := secret(ns, s.name("gone"), credential("gone.example", "x"))
		u.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "pullsecrets", "velero.io/restore-name": "r1"})
		u.SetAnnotations(marks)
		s.create(secrets, u)
		_, err := s.client.Resource(accounts).Namespace(ns).Patch(s.ctx, "default", types.MergePatchType, fmt.Appendf(nil,
			`{"metadata":{"annotations":{"pullsecrets/added":%q}},"imagePullSecrets":[{"name":%q},{"name":%q}]}`, ledger, s.name("reg"), s.name("gone")),
			metav1.PatchOptions{FieldManager: "velero-server"})
		must(t, err)
	}
	restore(ns, s.name("reg")+","+s.name("gone"), map[string]string{"pullsecrets/rule": "gone", "pullsecrets/source": "pullsecrets/gone"})
	restore(now, s.ledger(now, "reg", "gone"), map[string]string{"pullsecrets/rule": "gone", "pullsecrets/source": "pullsecrets/gone", "pullsecrets/for": "pullsecrets/" + now})
	for _, ns := range []string{ns, now} {
		s.wantNoCopy(ns, "gone")
		s.wantList(ns, "default", "+reg")
	}
	if len(r.lines("names in their ledgers that no rule has", s.name("gone"))) == 0 {
		t.Error("the log does not tell of it")
	}
	s.eventually("the name leaves the status", func() error {
		names, _, _ := unstructured.NestedString(s.get(configMaps, home, "pullsecrets-status").Object, "data", "names")
		if names != s.name("reg") {
			return fmt.Errorf("names: %q", names)
		}
		return nil
	})
	s.wantStatus("Ready")
}

// TestAnUpgradeWritesNothingByItself has copies and ledgers as an earlier version wrote them.
func TestAnUpgradeWritesNothingByItself(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("after-a")
	u := secret(ns, s.name("reg"), credential("hub.example", "one"))
	u.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "pullsecrets"})
	u.SetAnnotations(map[string]string{"pullsecrets/rule": "hub", "pullsecrets/source": "pullsecrets/hub"})
	made, err := s.client.Resource(secrets).Namespace(ns).Apply(s.ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "pullsecrets", Force: true})
	must(t, err)
	account := object("v1", "ServiceAccount", ns, "default")
	account.SetAnnotations(map[string]string{"pullsecrets/added": s.name("reg")})
	account.Object["imagePullSecrets"] = []any{map[string]any{"name": s.name("reg")}}
	written, err := s.client.Resource(accounts).Namespace(ns).Apply(s.ctx, "default", account, metav1.ApplyOptions{FieldManager: "pullsecrets", Force: true})
	must(t, err)
	s.start()
	s.revised("Ready", oneRule)
	s.after()
	s.untouched(made)
	if now := s.get(accounts, ns, "default"); now.GetResourceVersion() != written.GetResourceVersion() {
		t.Error("the account was written")
	}
	s.source("hub", credential("hub.example", "two"))
	if got := s.wantCopy(ns, "reg", credential("hub.example", "two")).GetAnnotations()["pullsecrets/for"]; got != home+"/"+ns {
		t.Errorf("after a rotation it is for %q", got)
	}
	s.revised("Ready", noRules)
	s.wantNoCopy(ns, "reg")
	s.wantList(ns, "default")
}
