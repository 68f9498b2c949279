package admission

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ProbeName is the name of the AdmissionRule that is applied in a dry run, and AnnotationSeen the annotation in which the
// API server then says which parameters it acts on for pods.
const (
	ProbeName      = "pullsecrets-probe"
	AnnotationSeen = "pullsecrets/seen"
)

// Probe is the object to apply in a dry run beside the parameters. It would serve nobody if it were kept.
func Probe(home string) *unstructured.Unstructured {
	none := func() map[string]any { return map[string]any{"include": "^$"} }
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"namespaces": none(), "serviceAccounts": none(), "names": []any{},
	}}}
	u.SetAPIVersion(APIVersion)
	u.SetKind(Kind)
	u.SetNamespace(home)
	u.SetName(ProbeName)
	return u
}

// Seen reads AnnotationSeen: the resource version that the API server acts on, by the parameter's name.
func Seen(annotation string) map[string]string {
	seen := map[string]string{}
	for word := range strings.FieldsSeq(annotation) {
		if name, version, ok := strings.Cut(word, "="); ok {
			seen[name] = version
		}
	}
	return seen
}
