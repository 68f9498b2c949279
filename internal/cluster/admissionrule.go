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
	Some  []string // that it adds in some namespaces only, where the copy is kept of a source that cannot be used
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
		entry, _ := n.(map[string]any)
		name, _ := entry["name"].(string)
		earlier, _ := entry["earlier"].([]any)
		switch {
		case adds(n):
			r.Names = append(r.Names, name)
		case slices.ContainsFunc(earlier, adds):
			r.Some = append(r.Some, name)
		}
	}
	return r
}

func adds(entry any) bool {
	fields, _ := entry.(map[string]any)
	return fields["add"] == true
}
