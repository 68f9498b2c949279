package reconcile

import (
	"cmp"
	"maps"
	"slices"

	"github.com/rs/zerolog"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// SourceWarning is something that pulls will probably fail on although the source is copied.
type SourceWarning struct {
	Source types.NamespacedName
	Text   string // without any value
}

// sourceWarnings lists them, sorted by source.
func sourceWarnings(states map[types.NamespacedName]policy.SourceState) (out []SourceWarning) {
	for _, key := range slices.SortedFunc(maps.Keys(states), compareKeys) {
		if states[key].Status != policy.SourceUsable {
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

// warned has the content of each source whose warnings were logged.
type warned map[types.NamespacedName]*cluster.Content

// log tells the warnings of sources that are new or changed. The states are gathered again after every event, so one that
// stays as it is must not be told again.
func (w warned) log(log zerolog.Logger, states map[types.NamespacedName]policy.SourceState) {
	for _, warning := range sourceWarnings(states) {
		if w[warning.Source] != states[warning.Source].Source.Content {
			log.Warn().Str("source", warning.Source.String()).Msg(warning.Text)
		}
	}
	clear(w)
	for key, state := range states {
		if state.Status == policy.SourceUsable {
			w[key] = state.Source.Content
		}
	}
}
