package cluster

import (
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Owner is another field manager that owns the field we care about.
type Owner struct {
	Manager   string
	Operation string
	Time      string // RFC 3339, as the API server wrote it; empty when it did not
}

// owners reads metadata.managedFields: whether we have an Apply entry of our own, whether that owns the field at path
// (in the f: notation of fieldsV1) or one of its parents as a whole, and who else does.
func owners(u *unstructured.Unstructured, path ...string) (applied, owned bool, others []Owner) {
	metadata, _ := u.Object["metadata"].(map[string]any)
	entries, _ := metadata["managedFields"].([]any)
	for _, e := range entries {
		entry, ok := e.(map[string]any)
		if !ok {
			continue
		}
		manager, _ := entry["manager"].(string)
		operation, _ := entry["operation"].(string)
		fields, _ := entry["fieldsV1"].(map[string]any)
		owner := owns(fields, path)
		switch {
		case manager == FieldManager && operation == string(metav1.ManagedFieldsOperationApply):
			applied, owned = true, owned || owner
		case owner:
			at, _ := entry["time"].(string)
			others = append(others, Owner{Manager: intern(manager), Operation: intern(operation), Time: at})
		}
	}
	return applied, owned, others
}

// othersOwn reports whether others own a label or an annotation.
func othersOwn(u *unstructured.Unstructured, kind, name string) bool {
	_, _, others := owners(u, "f:metadata", kind, "f:"+name)
	return len(others) > 0
}

func owns(fields map[string]any, path []string) bool {
	for _, step := range path {
		child, ok := fields[step].(map[string]any)
		if !ok {
			return false
		}
		if len(child) == 0 {
			return true
		}
		fields = child
	}
	return true
}

// intern makes equal strings share memory: a cluster repeats few namespaces, names and managers many times.
func intern(s string) string {
	if s == "" {
		return ""
	}
	return unique.Make(s).Value()
}
