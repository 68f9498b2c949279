package cluster

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Labels are an object's labels, sorted by key. Few objects have more than a handful, and a map of one takes ten times
// the memory. They are a labels.Labels of k8s.io/apimachinery.
type Labels []Label

// Label is one of them.
type Label struct{ Key, Value string }

// NewLabels returns nil for no labels.
func NewLabels(m map[string]string) Labels {
	if len(m) == 0 {
		return nil
	}
	l := make(Labels, 0, len(m))
	for k, v := range m {
		if k != corev1.LabelMetadataName { // that is the object's own name
			v = intern(v)
		}
		l = append(l, Label{intern(k), v})
	}
	slices.SortFunc(l, func(a, b Label) int { return strings.Compare(a.Key, b.Key) })
	return l
}

// Lookup returns a label's value, and whether there is such a label.
func (l Labels) Lookup(key string) (value string, ok bool) {
	i, ok := slices.BinarySearchFunc(l, key, func(label Label, key string) int { return strings.Compare(label.Key, key) })
	if !ok {
		return "", false
	}
	return l[i].Value, true
}

// Has reports whether there is such a label.
func (l Labels) Has(key string) bool {
	_, ok := l.Lookup(key)
	return ok
}

// Get returns a label's value; empty if there is no such label.
func (l Labels) Get(key string) string {
	value, _ := l.Lookup(key)
	return value
}
