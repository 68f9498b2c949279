package argocd

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/hack/gitops/cases"
)

// TestAConfirmationIsNoDrift has the engine compare and sync a policy on which the controller wrote its verdict and Argo CD's server
// the confirmation, as the action does. Neither is in git: they are no difference, selfHeal does nothing, and a sync for another
// reason leaves them there.
func TestAConfirmationIsNoDrift(t *testing.T) {
	for name, o := range map[string]options{
		"client-side": {}, "label tracking, server-side diff": {labelTracking: true, serverSideDiff: true},
		"server-side apply and diff": {serverSideApply: true, serverSideDiff: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := cases.NewCluster(t)
			a := newArgo(c, o).(*argo)
			ns := a.name
			configMaps := c.Client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(ns)
			if out, err := c.Kubectl("", "create", "namespace", ns); err != nil {
				t.Fatal(err, out)
			}
			t.Cleanup(func() { _, _ = c.Kubectl("", "delete", "namespace", ns, "--wait=false") })
			pass := func(text string) []string {
				t.Helper()
				policy := cases.Object("v1", "ConfigMap", ns, "pullsecrets-policy")
				policy.Object["data"] = map[string]any{"policy.yaml": text}
				policy.SetAnnotations(map[string]string{"pullsecrets/revision": text})
				changed, err := a.Pass(t.Context(), []*unstructured.Unstructured{policy})
				if err != nil {
					t.Fatal(err)
				}
				return changed
			}
			if len(pass("one")) == 0 {
				t.Fatal("it applied nothing")
			}
			verdict := cases.Object("v1", "ConfigMap", ns, "pullsecrets-policy")
			verdict.SetAnnotations(map[string]string{"pullsecrets/status": "Degraded", "pullsecrets/observed": "sha256:1", "pullsecrets/held-prune": "sha256:1"})
			if _, err := configMaps.Apply(t.Context(), verdict.GetName(), verdict, metav1.ApplyOptions{FieldManager: "pullsecrets"}); err != nil {
				t.Fatal(err)
			}
			confirmation := []byte(`{"metadata":{"annotations":{"pullsecrets/confirm-prune":"sha256:1"}}}`)
			if _, err := configMaps.Patch(t.Context(), verdict.GetName(), types.MergePatchType, confirmation, metav1.PatchOptions{FieldManager: "argocd-server"}); err != nil {
				t.Fatal(err)
			}
			if changed := pass("one"); len(changed) > 0 {
				t.Errorf("it is OutOfSync: %v", changed)
			}
			if changed := pass("two"); len(changed) == 0 {
				t.Error("an edit was not applied")
			}
			live, err := configMaps.Get(t.Context(), verdict.GetName(), metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if said := live.GetAnnotations(); said["pullsecrets/confirm-prune"] != "sha256:1" || said["pullsecrets/held-prune"] != "sha256:1" || said["pullsecrets/revision"] != "two" {
				t.Errorf("after a sync there are %s", fmt.Sprint(said))
			}
			if changed := pass("two"); len(changed) > 0 {
				t.Errorf("it is OutOfSync: %v", changed)
			}
		})
	}
}
