package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

const forced = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"]}
  force: true
`

func TestASecretOfSomebodyElseIsLeftAloneUntilForced(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "canary-ours"))
	ns := s.namespace("a")
	theirs := secret(ns, s.name("reg"), credential("theirs.example", "canary-theirs"))
	theirs.Object["data"].(map[string]any)["extra"] = "a2VlcA=="
	theirs.SetLabels(map[string]string{"team": "theirs"})
	theirs = s.create(secrets, theirs)
	r := s.start()
	s.revised("Degraded", oneRule)
	s.wantStatus("Degraded", "ForeignSecret", "force: true")
	s.wantList(ns, "default")
	if got := s.get(secrets, ns, s.name("reg")); got.GetResourceVersion() != theirs.GetResourceVersion() {
		t.Error("it was written without force")
	}

	s.revised("Ready", forced)
	got := s.wantCopy(ns, "reg", credential("hub.example", "canary-ours"))
	s.wantList(ns, "default", "+reg")
	if got.GetUID() != theirs.GetUID() || got.GetLabels()["team"] != "theirs" {
		t.Error("it was not taken over in place")
	}
	if extra, _, _ := unstructured.NestedString(got.Object, "data", "extra"); extra != "a2VlcA==" {
		t.Error("data under another key was lost")
	}
	diff := r.lines("replacing what somebody else wrote", "registry theirs.example: removed", "registry hub.example: added", `content owned by \"somebody\" (Update, `)
	if len(diff) != 1 {
		t.Errorf("%d lines explain it, want 1", len(diff))
	}
	for _, credential := range []string{"canary-theirs", "canary-ours", "cm9ib3Q6"} {
		if strings.Contains(r.log.String(), credential) {
			t.Errorf("the log holds a credential: %q", credential)
		}
	}

	// What we took over still holds somebody's data, so it is not ours to delete.
	s.revised("Degraded", noRules)
	s.wantList(ns, "default")
	if got := s.get(secrets, ns, s.name("reg")); got.GetUID() != theirs.GetUID() {
		t.Error("it was deleted with somebody's data in it")
	}
}

func TestAConflictThatGoesAwayIsNoticed(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.create(secrets, secret(ns, s.name("reg"), credential("theirs.example", "x")))
	s.start()
	s.revised("Degraded", oneRule)
	s.delete(secrets, ns, s.name("reg"))
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	s.wantList(ns, "default", "+reg")
	s.wantStatus("Ready")
}

func TestAnEqualSecretOfSomebodyElseIsReferencedAndNeverPruned(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	spaced := strings.ReplaceAll(credential("hub.example", "one"), ":{", ": {\n  ")
	theirs := s.create(secrets, secret(ns, s.name("reg"), spaced))
	s.start()
	s.revised("Ready", oneRule)
	s.wantList(ns, "default", "+reg")
	s.revised("Ready", noRules)
	s.wantList(ns, "default")
	if got := s.get(secrets, ns, s.name("reg")); got.GetResourceVersion() != theirs.GetResourceVersion() {
		t.Error("somebody's secret was written")
	}
}

func TestWhatTheAPIForbidsToUpdateIsReplaced(t *testing.T) {
	for _, c := range []struct {
		why    string
		change func(*unstructured.Unstructured)
	}{
		{"its type differs", func(u *unstructured.Unstructured) {
			u.Object["type"] = "kubernetes.io/dockercfg"
			u.Object["data"] = map[string]any{".dockercfg": "eyJ4Ijp7fX0="}
		}},
		{"it is opaque", func(u *unstructured.Unstructured) { u.Object["type"] = "Opaque" }},
		{"it is immutable", func(u *unstructured.Unstructured) { u.Object["immutable"] = true }},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := newSandbox(t)
			s.source("hub", credential("hub.example", "one"))
			ns := s.namespace("a")
			theirs := secret(ns, s.name("reg"), credential("theirs.example", "x"))
			c.change(theirs)
			theirs = s.create(secrets, theirs)
			r := s.start()
			s.revised("Degraded", oneRule)
			s.revised("Ready", forced)
			if got := s.wantCopy(ns, "reg", credential("hub.example", "one")); got.GetUID() == theirs.GetUID() {
				t.Error("how can it be the same object?")
			}
			if len(r.lines("replacing what somebody else wrote")) != 1 {
				t.Error("no diff explains it")
			}
		})
	}
}

func TestTheSourceIsNeverWritten(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	s.source("other", credential("other.example", "two"))
	ns := s.namespace("a")
	s.start()
	before := s.get(secrets, home, "hub")
	// Both rules match the controller's own namespace; the second would overwrite the source of the first there.
	s.revised("Degraded", `
- name: own
  secrets: [{source: {name: hub}}]
  namespaces: {include: ["PREFIX*", pullsecrets]}
  serviceAccounts: {include: []}
- name: other
  secrets: [{source: {name: other}, name: hub}]
  namespaces: {include: [pullsecrets]}
  serviceAccounts: {include: []}
  force: true
`)
	s.eventually("the namespace has its copy", func() error {
		u, err := s.client.Resource(secrets).Namespace(ns).Get(s.ctx, "hub", metav1.GetOptions{})
		if err == nil && contentOf(u) != credential("hub.example", "one") {
			err = errors.New("other content")
		}
		return err
	})
	s.revised("Ready", noRules)
	if got := s.get(secrets, home, "hub"); got.GetResourceVersion() != before.GetResourceVersion() {
		t.Error("the source was written")
	}
}

func TestPruneOffOutlivesItsRule(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.start()
	s.revised("Ready", oneRule+"  prune: false\n")
	s.wantList(ns, "default", "+reg")
	s.revised("Ready", noRules)
	s.wantList(ns, "default", "+reg")
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
}

// TestAfterTheLastEntryIsGoneTheOwnerAppliesWithoutConflict covers both ways to give the list back.
func TestAfterTheLastEntryIsGoneTheOwnerAppliesWithoutConflict(t *testing.T) {
	for _, c := range []struct{ why, list string }{
		{"the list was ours alone", `[]`},
		{"others have entries", `[{"name":"theirs"}]`},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := newSandbox(t)
			s.source("hub", credential("hub.example", "one"))
			ns := s.namespace("a")
			apply := func(list string) error {
				_, err := s.client.Resource(accounts).Namespace(ns).Patch(s.ctx, "app", types.ApplyPatchType, []byte(fmt.Sprintf(
					`{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"app","labels":{"app":"x"}},"imagePullSecrets":%s}`, list)),
					metav1.PatchOptions{FieldManager: "kubectl"})
				return err
			}
			must(t, apply(c.list))
			s.start()
			s.revised("Ready", strings.Replace(oneRule, "namespaces:", "serviceAccounts: {include: [app]}\n  namespaces:", 1))
			s.eventually("we are in the list", func() error {
				if got, err := s.listOf(ns, "app"); err != nil || got[len(got)-1] != s.name("reg") {
					return fmt.Errorf("%v %v", got, err)
				}
				return nil
			})
			s.revised("Ready", noRules)
			must(t, apply(c.list))
			must(t, apply(`[{"name":"other"}]`))
			s.wantList(ns, "app", "other")
		})
	}
}
