package admission

import (
	"slices"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// The API server is asked which versions of the parameters it acts on with an object that is never written: the policy for pods
// notes them on it. See kustomize/components/admission/pods.yaml.
const (
	ProbeName      = "pullsecrets-probe" // of an AdmissionRule
	AnnotationSeen = "pullsecrets/seen"  // parameters that serve pods, as NAME=VERSION
)

// Seen are the resourceVersions of the parameters that serve pods, by their names, as the annotation of the probe says.
func Seen(annotation string) map[string]string {
	seen := map[string]string{}
	for word := range strings.FieldsSeq(annotation) {
		name, version, _ := strings.Cut(word, "=")
		seen[name] = version
	}
	return seen
}

// Attached says which ways of attaching the spec of a parameter serves.
func Attached(spec any) (out []policy.Attach) {
	fields, _ := spec.(map[string]any)
	list, ok := fields["attach"].([]any)
	if !ok {
		return []policy.Attach{policy.AttachAccounts}
	}
	for _, a := range list {
		text, _ := a.(string)
		out = append(out, policy.Attach(text))
	}
	return out
}

// attachField is what a parameter says that serves these ways; nil where it need not say it. Parameters of rules that attach to
// accounts are as they were before there was another way.
func attachField(to []policy.Attach) (field []any) {
	if slices.Equal(to, []policy.Attach{policy.AttachAccounts}) {
		return nil
	}
	for _, a := range to {
		field = append(field, string(a))
	}
	return field
}
