package kube

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// placeholder stays in managedFields where ours was the only entry: an object without any counts as never applied, and
// the API server then makes before-first-apply the owner of all its fields, with which the next plain apply conflicts.
// So it owns a field that nobody has.
var placeholder = metav1.ManagedFieldsEntry{
	Manager: cluster.FieldManager, Operation: metav1.ManagedFieldsOperationUpdate,
	APIVersion: "v1", FieldsType: "FieldsV1",
	FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:annotations":{"f:pullsecrets/released":{}}}}`),
}

type patchOperation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// releasePatch removes our Apply entry from managedFields, and our ledger if it is empty: names of ours that stay in the
// list stay noted. Leaving the list out of an apply would do the first too, but would delete the entries of others with
// it when nobody else owns the list. It is nil when there is nothing to remove.
//
// The resourceVersion is replaced, not tested, so that a stale one is a conflict and not an invalid patch; the trick
// is that of k8s.io/client-go/util/csaupgrade.
func releasePatch(obj metav1.Object) ([]byte, error) {
	all := obj.GetManagedFields()
	kept := make([]metav1.ManagedFieldsEntry, 0, len(all))
	for _, e := range all {
		if e.Manager != cluster.FieldManager || e.Operation != metav1.ManagedFieldsOperationApply {
			kept = append(kept, e)
		}
	}
	var patch []patchOperation
	if len(kept) < len(all) {
		if len(kept) == 0 {
			kept = append(kept, placeholder)
		}
		patch = append(patch, patchOperation{Op: "replace", Path: "/metadata/managedFields", Value: kept})
	}
	if ledger, ok := obj.GetAnnotations()[cluster.AnnotationAdded]; ok && len(cluster.ParseLedger(ledger).Names) == 0 {
		patch = append(patch, patchOperation{Op: "remove", Path: "/metadata/annotations/pullsecrets~1added"})
	}
	if len(patch) == 0 {
		return nil, nil
	}
	patch = append(patch, patchOperation{Op: "replace", Path: "/metadata/resourceVersion", Value: obj.GetResourceVersion()})
	return json.Marshal(patch)
}
