package policy

import (
	"cmp"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// SourceFinding is a finding about a source.
type SourceFinding struct {
	Source types.NamespacedName
	Finding
}

// SourceFindings lists what is to be said of sources, sorted by source.
func SourceFindings(states map[types.NamespacedName]SourceState) (out []SourceFinding) {
	for _, key := range slices.SortedFunc(maps.Keys(states), compareKeys) {
		for _, finding := range states[key].Findings {
			out = append(out, SourceFinding{key, finding})
		}
	}
	return out
}

func compareKeys(a, b types.NamespacedName) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
