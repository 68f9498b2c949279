package policy

import (
	"cmp"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// SourceWarning is something that pulls will probably fail on although the source is copied.
type SourceWarning struct {
	Source types.NamespacedName
	Text   string // without any value
}

// SourceWarnings lists them, sorted by source.
func SourceWarnings(states map[types.NamespacedName]SourceState) (out []SourceWarning) {
	for _, key := range slices.SortedFunc(maps.Keys(states), compareKeys) {
		if states[key].Status != SourceUsable {
			continue
		}
		for _, text := range states[key].Source.Content.Warnings {
			out = append(out, SourceWarning{key, text})
		}
	}
	return out
}

func compareKeys(a, b types.NamespacedName) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
