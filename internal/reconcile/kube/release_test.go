package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// TestOurOwnershipIsGivenUpAndNothingElse: our Apply entry goes, and a ledger without names.
func TestOurOwnershipIsGivenUpAndNothingElse(t *testing.T) {
	const version = `{"op":"replace","path":"/metadata/resourceVersion","value":"7"}`
	const noLedger = `{"op":"remove","path":"/metadata/annotations/pullsecrets~1added"}`
	entry := func(manager string, operation metav1.ManagedFieldsOperationType) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: operation}
	}
	ours := entry(cluster.FieldManager, metav1.ManagedFieldsOperationApply)
	for _, c := range []struct {
		why    string
		fields []metav1.ManagedFieldsEntry
		ledger string // "-" for none
		want   string // empty for no patch at all
	}{
		{"nothing is ours", []metav1.ManagedFieldsEntry{entry("argocd", metav1.ManagedFieldsOperationApply)}, "-", ""},
		{"our update is no apply", []metav1.ManagedFieldsEntry{entry(cluster.FieldManager, metav1.ManagedFieldsOperationUpdate)}, "-", ""},
		{"nothing is ours, and the ledger has names", nil, "pullsecrets/a: hub", ""},
		{"ours beside another", []metav1.ManagedFieldsEntry{ours, entry("argocd", metav1.ManagedFieldsOperationApply)}, "-",
			`[{"op":"replace","path":"/metadata/managedFields","value":[{"manager":"argocd","operation":"Apply"}]},` + version + `]`},
		{"ours alone leaves a placeholder, or the next apply of anybody conflicts", []metav1.ManagedFieldsEntry{ours}, "-",
			`[{"op":"replace","path":"/metadata/managedFields","value":[{"manager":"pullsecrets","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1",` +
				`"fieldsV1":{"f:metadata":{"f:annotations":{"f:pullsecrets/released":{}}}}}]},` + version + `]`},
		{"an empty ledger", nil, "pullsecrets/a:", `[` + noLedger + `,` + version + `]`},
		{"an empty ledger of the admission policy", nil, "", `[` + noLedger + `,` + version + `]`},
		{"ours, and a ledger with names, which stays", []metav1.ManagedFieldsEntry{ours, entry("argocd", metav1.ManagedFieldsOperationApply)}, "pullsecrets/a: hub",
			`[{"op":"replace","path":"/metadata/managedFields","value":[{"manager":"argocd","operation":"Apply"}]},` + version + `]`},
	} {
		u := &unstructured.Unstructured{Object: map[string]any{}}
		u.SetResourceVersion("7")
		u.SetManagedFields(c.fields)
		if c.ledger != "-" {
			u.SetAnnotations(map[string]string{cluster.AnnotationAdded: c.ledger})
		}
		patch, err := releasePatch(u)
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
		}
		if diff := cmp.Diff(c.want, string(patch)); diff != "" {
			t.Errorf("%s: %s", c.why, diff)
		}
	}
}
