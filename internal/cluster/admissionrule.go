package cluster

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// AdmissionRule is what is remembered of an admission parameter.
type AdmissionRule struct {
	Meta
	Spec  any
	Names []string // that it adds everywhere it applies, not in some namespaces only
	Ours  bool     // somebody may keep others in git
}

// NewAdmissionRule projects an AdmissionRule.
func NewAdmissionRule(u *unstructured.Unstructured) *AdmissionRule {
	r := &AdmissionRule{
		Meta: newMeta(u),
		Spec: u.Object["spec"],
		Ours: u.GetLabels()[LabelManagedBy] == FieldManager ||
			slices.ContainsFunc(u.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool {
				return e.Manager == FieldManager && e.Operation == metav1.ManagedFieldsOperationApply
			}),
	}
	names, _, _ := unstructured.NestedSlice(u.Object, "spec", "names")
	for _, n := range names {
		if entry, ok := n.(map[string]any); ok && entry["add"] == true {
			name, _ := entry["name"].(string)
			r.Names = append(r.Names, name)
		}
	}
	return r
}
