package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

func TestASecretOfSomebodyElseIsLeftAloneUntilForced(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "canary-ours"))
	ns := s.Namespace("a")
	theirs := api.Secret(ns, s.Name("reg"), api.Credential("theirs.example", "canary-theirs"))
	theirs.Object["data"].(map[string]any)["extra"] = "a2VlcA=="
	theirs.SetLabels(map[string]string{"team": "theirs"})
	theirs = s.Create(api.Secrets, theirs)
	r := s.Start()
	s.Revised("Degraded", harness.OneRule)
	s.WantStatus("Degraded", "ForeignSecret", "force: true")
	s.WantList(ns, "default")
	if got := s.Get(api.Secrets, ns, s.Name("reg")); got.GetResourceVersion() != theirs.GetResourceVersion() {
		t.Error("it was written without force")
	}

	s.Revised("Ready", harness.Forced)
	got := s.WantCopy(ns, "reg", api.Credential("hub.example", "canary-ours"))
	s.WantList(ns, "default", "+reg")
	if got.GetUID() != theirs.GetUID() || got.GetLabels()["team"] != "theirs" {
		t.Error("it was not taken over in place")
	}
	if extra, _, _ := unstructured.NestedString(got.Object, "data", "extra"); extra != "a2VlcA==" {
		t.Error("data under another key was lost")
	}
	diff := r.Lines("replacing what somebody else wrote", "registry theirs.example: removed", "registry hub.example: added", `content owned by \"somebody\" (Update, `)
	if len(diff) != 1 {
		t.Errorf("%d lines explain it, want 1", len(diff))
	}
	for _, credential := range []string{"canary-theirs", "canary-ours", "cm9ib3Q6"} {
		if strings.Contains(r.Log.String(), credential) {
			t.Errorf("the log holds a credential: %q", credential)
		}
	}

	// What we took over still holds somebody's data, so it is not ours to delete.
	s.Revised("Degraded", harness.NoRules)
	s.WantList(ns, "default")
	if got := s.Get(api.Secrets, ns, s.Name("reg")); got.GetUID() != theirs.GetUID() {
		t.Error("it was deleted with somebody's data in it")
	}
}

func TestAConflictThatGoesAwayIsNoticed(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Create(api.Secrets, api.Secret(ns, s.Name("reg"), api.Credential("theirs.example", "x")))
	s.Start()
	s.Revised("Degraded", harness.OneRule)
	s.Delete(api.Secrets, ns, s.Name("reg"))
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.WantList(ns, "default", "+reg")
	s.WantStatus("Ready")
}

func TestAnEqualSecretOfSomebodyElseIsReferencedAndNeverPruned(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	spaced := strings.ReplaceAll(api.Credential("hub.example", "one"), ":{", ": {\n  ")
	theirs := s.Create(api.Secrets, api.Secret(ns, s.Name("reg"), spaced))
	s.Start()
	s.Revised("Ready", harness.OneRule)
	s.WantList(ns, "default", "+reg")
	s.Revised("Ready", harness.NoRules)
	s.WantList(ns, "default")
	if got := s.Get(api.Secrets, ns, s.Name("reg")); got.GetResourceVersion() != theirs.GetResourceVersion() {
		t.Error("somebody's secret was written")
	}
}

// TestACopyThatSomebodyCopiedIsTheirs copies a copy in the ways in which people and tools do, into namespaces that no
// rule selects, and into one that a rule does.
func TestACopyThatSomebodyCopiedIsTheirs(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns, elsewhere, wanted := s.Namespace("after-a"), s.Namespace("b"), s.Namespace("after-c", "later=yes")
	s.Merge(api.Namespaces, "", wanted, `{"metadata":{"annotations":{"pullsecrets/exclude":"true"}}}`)
	r := s.Start()
	s.Revised("Ready", s.Expand(`
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIXafter-*"]}
`))
	copied := s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	into := func(ns, content string, whole bool) *unstructured.Unstructured {
		u := copied.DeepCopy()
		u.SetNamespace(ns)
		u.SetUID("")
		u.SetResourceVersion("")
		if !whole {
			u.SetManagedFields(nil)
		}
		u.Object["data"] = api.Secret("", "", content).Object["data"]
		return u
	}
	var theirs []*unstructured.Unstructured
	theirs = append(theirs, s.Create(api.Secrets, into(elsewhere, api.Credential("theirs.example", "x"), true)))
	propagated := s.Namespace("d")
	text, err := json.Marshal(into(propagated, api.Credential("hub.example", "one"), false).Object)
	harness.Must(t, err)
	if out, err := s.Kubectl(string(text), "apply", "-f", "-"); err != nil {
		t.Fatal(out)
	}
	theirs = append(theirs, s.Get(api.Secrets, propagated, s.Name("reg")))
	theirs = append(theirs, s.Create(api.Secrets, into(wanted, api.Credential("theirs.example", "x"), true)))
	s.After()
	s.Merge(api.Namespaces, "", wanted, `{"metadata":{"annotations":{"pullsecrets/exclude":null}}}`)
	s.WantStatus("Degraded", "ForeignSecret")
	s.After()
	r.Stop() // and a start does not know them any better
	s.Start()
	s.After()
	for _, u := range theirs {
		s.Untouched(u)
	}
	p, err := s.Purge()
	harness.Must(t, err)
	if n := p.Count(); n.Copies != len(s.OwnNamespaces())-3 { // one in each but those three
		t.Errorf("purge would remove %d copies, in %d namespaces", n.Copies, len(s.OwnNamespaces()))
	}
}

// TestATeamThatDeclaresTheCopysNameHasIt writes the same content again after each repair, as a GitOps tool does for
// what a team put into git after the copy was there.
func TestATeamThatDeclaresTheCopysNameHasIt(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	var writes atomic.Int32
	count := harness.Before(func(r *http.Request) {
		if harness.IsWrite(r, ns, "secrets", s.Name("reg")) {
			writes.Add(1)
		}
	})
	r := s.Start(count)
	s.Revised("Ready", harness.OneRule)
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	declare := func() {
		u := api.Secret(ns, s.Name("reg"), api.Credential("theirs.example", "x"))
		_, err := s.Client.Resource(api.Secrets).Namespace(ns).Apply(s.Ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "kustomize-controller", Force: true})
		harness.Must(t, err)
	}
	s.Eventually("it is given up", func() error {
		declare()
		u := s.Get(api.Secrets, ns, s.Name("reg"))
		if _, marked := u.GetAnnotations()["pullsecrets/for"]; marked {
			return errors.New("it has our mark")
		}
		return nil
	})
	declare()
	s.WantStatus("Degraded", "ForeignSecret", "kustomize-controller")
	theirs := s.WantCopy(ns, "reg", api.Credential("theirs.example", "x"))
	if n := writes.Load(); n > 1+3+1 {
		t.Errorf("%d writes: one made it, three were repairs, one gave it up", n)
	}
	r.Stop()
	s.Start(count)
	s.After()
	s.Untouched(theirs)

	s.Delete(api.Secrets, ns, s.Name("reg")) // the team takes it out of git
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.WantStatus("Ready")
}

// TestAManifestMadeFromTheCopyIsContested has a tool apply an older copy, marks and all. Taking our marks off would not
// make it the tool's: they come back.
func TestAManifestMadeFromTheCopyIsContested(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	exported := s.WantCopy(ns, "reg", api.Credential("hub.example", "one")).DeepCopy()
	exported.SetManagedFields(nil)
	exported.SetUID("")
	exported.SetResourceVersion("")
	s.Source("hub", api.Credential("hub.example", "two"))
	s.WantCopy(ns, "reg", api.Credential("hub.example", "two"))
	blows, last, began := 0, "", time.Now()
	for range 60 {
		u, err := s.Client.Resource(api.Secrets).Namespace(ns).Apply(s.Ctx, exported.GetName(), exported, metav1.ApplyOptions{FieldManager: "argocd-controller", Force: true})
		harness.Must(t, err)
		if version := u.GetResourceVersion(); version != last {
			blows, last = blows+1, version
		}
		time.Sleep(50 * time.Millisecond)
	}
	// The first blow, three repairs at once, and then one after 1, 2, 4 and so on seconds: as many as the time allows, which is
	// longer on a busy machine.
	allowed, took := 1+3, time.Since(began)
	for pause := time.Second; took > 0; pause *= 2 {
		allowed, took = allowed+1, took-pause
	}
	if blows > allowed {
		t.Errorf("%d blows in %s, want %d at most", blows, time.Since(began), allowed)
	}
	s.WantStatus("Degraded", "Contested", "argocd-controller")
	if lines := r.Lines("copy given up"); len(lines) > 0 {
		t.Error(lines)
	}
}
