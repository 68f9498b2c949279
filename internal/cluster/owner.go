package cluster

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"time"
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
func owners(o metav1.Object, path ...string) (applied, owned bool, others []Owner) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return decodedOwners(o, path)
	}
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

// decodedOwners is owners of an object that was decoded to its type, where fieldsV1 is still a text.
func decodedOwners(o metav1.Object, path []string) (applied, owned bool, others []Owner) {
	for _, e := range o.GetManagedFields() {
		owner := e.FieldsV1 != nil && fieldAnswers.by(e.FieldsV1.GetRawString(), path)
		switch {
		case e.Manager == FieldManager && e.Operation == metav1.ManagedFieldsOperationApply:
			applied, owned = true, owned || owner
		case owner:
			at := ""
			if e.Time != nil {
				at = e.Time.UTC().Format(time.RFC3339)
			}
			others = append(others, Owner{Manager: intern(e.Manager), Operation: intern(string(e.Operation)), Time: at})
		}
	}
	return applied, owned, others
}

// othersOwn reports whether others own a label or an annotation.
func othersOwn(u metav1.Object, kind, name string) bool {
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

// answers are those of ownsText: a manager's fields are the same text in each of its objects, and a cluster has few different ones.
type answers struct {
	mu    sync.Mutex
	known map[question]bool
}

type question struct{ fields, path string }

// mostAnswers bounds how many are known; a text may have some KiB.
const mostAnswers = 256

var fieldAnswers = answers{known: map[question]bool{}}

func (a *answers) by(fields string, path []string) bool {
	q := question{fields, strings.Join(path, "\x00")}
	a.mu.Lock()
	defer a.mu.Unlock()
	answer, ok := a.known[q]
	if !ok {
		if len(a.known) >= mostAnswers {
			clear(a.known)
		}
		answer = ownsText([]byte(fields), path)
		a.known[q] = answer
	}
	return answer
}

// ownsText is owns of a text, of which it decodes what is on the path alone.
func ownsText(fields []byte, path []string) bool {
	for _, step := range path {
		var children map[string]json.RawMessage
		if json.Unmarshal(fields, &children) != nil {
			return false
		}
		child, ok := children[step]
		if !ok || child[0] != '{' {
			return false
		}
		if len(bytes.TrimSpace(child[1:len(child)-1])) == 0 {
			return true
		}
		fields = child
	}
	return true
}

// intern makes equal strings share memory: a cluster repeats few names, labels and managers many times. It is not for what differs from
// namespace to namespace: one short text that is interned takes as much memory as ten that are not.
func intern(s string) string {
	if s == "" {
		return ""
	}
	return unique.Make(s).Value()
}
