package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// The marks by which tools know what is theirs. One that finds them on an object that it did not make shows it as
// drift, or prunes it.
var (
	toolLabels = map[string]string{
		"app.kubernetes.io/instance": "argo-app", "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/part-of": "x",
		"argocd.argoproj.io/instance": "argo-app", "kustomize.toolkit.fluxcd.io/name": "teams", "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
		"helm.toolkit.fluxcd.io/name": "teams", "helm.toolkit.fluxcd.io/namespace": "flux-system", "helm.sh/chart": "teams-1",
		"applyset.kubernetes.io/part-of": "applyset-x-v1", "reconcile.external-secrets.io/created-by": "x", "team": "x",
	}
	toolAnnotations = map[string]string{
		"argocd.argoproj.io/tracking-id": "argo-app:/Secret:pullsecrets/hub", "argocd.argoproj.io/sync-options": "Prune=false", "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
		"meta.helm.sh/release-name": "teams", "meta.helm.sh/release-namespace": "x", "helm.sh/resource-policy": "keep", "helm.sh/hook": "pre-install",
		"kustomize.toolkit.fluxcd.io/prune": "disabled", "kustomize.toolkit.fluxcd.io/ssa": "Merge", "config.kubernetes.io/origin": "x",
		"kubectl.kubernetes.io/last-applied-configuration": "{}", "reflector.v1.k8s.emberstack.com/reflection-allowed": "true",
		"replicator.v1.mittwald.de/replicate-to": "*", "sealedsecrets.bitnami.com/managed": "true", "pullsecrets/prune": "false",
	}
)

// marked puts all of them on an object, and an owner and a finalizer.
func (s *sandbox) marked(u *unstructured.Unstructured) *unstructured.Unstructured {
	owner := s.Create(api.ConfigMaps, api.Object("v1", "ConfigMap", u.GetNamespace(), "owner-of-"+u.GetName()))
	u.SetLabels(maps.Clone(toolLabels))
	u.SetAnnotations(maps.Clone(toolAnnotations))
	u.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: owner.GetName(), UID: owner.GetUID()}})
	u.SetFinalizers([]string{"example.com/hold"})
	return u
}

// wantBareCopy checks all of a copy but its content.
func wantBareCopy(t *testing.T, u *unstructured.Unstructured) {
	t.Helper()
	data, _, _ := unstructured.NestedMap(u.Object, "data")
	got := map[string]any{"labels": u.GetLabels(), "annotations": u.GetAnnotations(), "owners": len(u.GetOwnerReferences()),
		"finalizers": len(u.GetFinalizers()), "keys": len(data), "managers": len(u.GetManagedFields())}
	want := map[string]any{"labels": map[string]string{"app.kubernetes.io/managed-by": "pullsecrets"},
		"annotations": map[string]string{"pullsecrets/rule": "hub", "pullsecrets/source": "pullsecrets/hub", "pullsecrets/for": "pullsecrets/" + u.GetNamespace()},
		"owners":      0, "finalizers": 0, "keys": 1, "managers": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got): %s", diff)
	}
}

// TestNothingCarriesTheMarksOfAnotherTool has a source with all of them.
func TestNothingCarriesTheMarksOfAnotherTool(t *testing.T) {
	s := newSandbox(t)
	source := s.marked(api.Secret(api.Home, "hub", api.Credential("hub.example", "one")))
	source.Object["data"].(map[string]any)["extra"] = "eA=="
	s.Create(api.Secrets, source)
	t.Cleanup(func() { s.Merge(api.Secrets, api.Home, "hub", `{"metadata":{"finalizers":null}}`) })
	ns := s.Namespace("a")
	app := s.Create(api.Accounts, s.marked(api.Object("v1", "ServiceAccount", ns, "app")))
	t.Cleanup(func() { s.Merge(api.Accounts, ns, "app", `{"metadata":{"finalizers":null}}`) })
	s.Start()
	s.Revised("Ready", harness.OneRule+"  serviceAccounts: {include: [default, app]}\n")
	wantBareCopy(t, s.WantCopy(ns, "reg", api.Credential("hub.example", "one")))
	s.Source("hub", api.Credential("hub.example", "two"))
	wantBareCopy(t, s.WantCopy(ns, "reg", api.Credential("hub.example", "two")))

	s.WantList(ns, "default", "+reg")
	born := s.Get(api.Accounts, ns, "default")
	if diff := cmp.Diff(map[string]string{"pullsecrets/added": s.Ledger(ns, "reg")}, born.GetAnnotations()); diff != "" || len(born.GetLabels()) > 0 || len(born.GetOwnerReferences()) > 0 {
		t.Errorf("the account got labels %v, owners %v, annotations (-want +got) %s", born.GetLabels(), born.GetOwnerReferences(), diff)
	}
	s.WantList(ns, "app", "+reg")
	now := s.Get(api.Accounts, ns, "app")
	annotations := maps.Clone(toolAnnotations)
	annotations["pullsecrets/added"] = s.Ledger(ns, "reg")
	if diff := cmp.Diff(app.GetLabels(), now.GetLabels()) + cmp.Diff(annotations, now.GetAnnotations()) +
		cmp.Diff(app.GetOwnerReferences(), now.GetOwnerReferences()) + cmp.Diff(app.GetFinalizers(), now.GetFinalizers()); diff != "" {
		t.Errorf("an account that a tool owns lost or got a mark (-before +after): %s", diff)
	}
}

// TestAfterEditsByHandASourceStillRotates edits a copy as often as a tool that insists would, and then no more.
func TestAfterEditsByHandASourceStillRotates(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Start()
	s.Revised("Ready", harness.OneRule)
	for i := range 3 {
		s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
		edit, err := json.Marshal(map[string]any{"data": api.Secret("", "", api.Credential("hand.example", fmt.Sprint(i))).Object["data"]})
		harness.Must(t, err)
		edited, err := s.Client.Resource(api.Secrets).Namespace(ns).Patch(s.Ctx, s.Name("reg"), types.MergePatchType, edit, metav1.PatchOptions{FieldManager: "kubectl-edit"})
		harness.Must(t, err)
		s.Eventually("it is repaired", func() error {
			if now := s.Get(api.Secrets, ns, s.Name("reg")); now.GetResourceVersion() == edited.GetResourceVersion() {
				return errors.New("it is as it was edited")
			}
			return nil
		})
	}
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.Source("hub", api.Credential("hub.example", "two"))
	s.WantCopy(ns, "reg", api.Credential("hub.example", "two"))
	s.WantStatus("Ready")
}

// TestAnUpgradeWritesNothingByItself has copies and ledgers as an earlier version wrote them.
func TestAnUpgradeWritesNothingByItself(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("after-a")
	u := api.Secret(ns, s.Name("reg"), api.Credential("hub.example", "one"))
	u.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "pullsecrets"})
	u.SetAnnotations(map[string]string{"pullsecrets/rule": "hub", "pullsecrets/source": "pullsecrets/hub"})
	made, err := s.Client.Resource(api.Secrets).Namespace(ns).Apply(s.Ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "pullsecrets", Force: true})
	harness.Must(t, err)
	account := api.Object("v1", "ServiceAccount", ns, "default")
	account.SetAnnotations(map[string]string{"pullsecrets/added": s.Name("reg")})
	account.Object["imagePullSecrets"] = []any{map[string]any{"name": s.Name("reg")}}
	written, err := s.Client.Resource(api.Accounts).Namespace(ns).Apply(s.Ctx, "default", account, metav1.ApplyOptions{FieldManager: "pullsecrets", Force: true})
	harness.Must(t, err)
	s.Start()
	s.Revised("Ready", harness.OneRule)
	s.After()
	s.Untouched(made)
	if now := s.Get(api.Accounts, ns, "default"); now.GetResourceVersion() != written.GetResourceVersion() {
		t.Error("the account was written")
	}
	s.Source("hub", api.Credential("hub.example", "two"))
	if got := s.WantCopy(ns, "reg", api.Credential("hub.example", "two")).GetAnnotations()["pullsecrets/for"]; got != api.Home+"/"+ns {
		t.Errorf("after a rotation it is for %q", got)
	}
	s.Revised("Ready", harness.NoRules)
	s.WantNoCopy(ns, "reg")
	s.WantList(ns, "default")
}
