package e2e

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
	owner := s.create(configMaps, object("v1", "ConfigMap", u.GetNamespace(), "owner-of-"+u.GetName()))
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
	source := s.marked(secret(home, "hub", credential("hub.example", "one")))
	source.Object["data"].(map[string]any)["extra"] = "eA=="
	s.create(secrets, source)
	t.Cleanup(func() { s.merge(secrets, home, "hub", `{"metadata":{"finalizers":null}}`) })
	ns := s.namespace("a")
	app := s.create(accounts, s.marked(object("v1", "ServiceAccount", ns, "app")))
	t.Cleanup(func() { s.merge(accounts, ns, "app", `{"metadata":{"finalizers":null}}`) })
	s.start()
	s.revised("Ready", oneRule+"  serviceAccounts: {include: [default, app]}\n")
	wantBareCopy(t, s.wantCopy(ns, "reg", credential("hub.example", "one")))
	s.source("hub", credential("hub.example", "two"))
	wantBareCopy(t, s.wantCopy(ns, "reg", credential("hub.example", "two")))

	s.wantList(ns, "default", "+reg")
	born := s.get(accounts, ns, "default")
	if diff := cmp.Diff(map[string]string{"pullsecrets/added": s.ledger(ns, "reg")}, born.GetAnnotations()); diff != "" || len(born.GetLabels()) > 0 || len(born.GetOwnerReferences()) > 0 {
		t.Errorf("the account got labels %v, owners %v, annotations (-want +got) %s", born.GetLabels(), born.GetOwnerReferences(), diff)
	}
	s.wantList(ns, "app", "+reg")
	now := s.get(accounts, ns, "app")
	annotations := maps.Clone(toolAnnotations)
	annotations["pullsecrets/added"] = s.ledger(ns, "reg")
	if diff := cmp.Diff(app.GetLabels(), now.GetLabels()) + cmp.Diff(annotations, now.GetAnnotations()) +
		cmp.Diff(app.GetOwnerReferences(), now.GetOwnerReferences()) + cmp.Diff(app.GetFinalizers(), now.GetFinalizers()); diff != "" {
		t.Errorf("an account that a tool owns lost or got a mark (-before +after): %s", diff)
	}
}
