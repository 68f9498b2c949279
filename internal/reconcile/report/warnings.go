package report

import (
	"github.com/rs/zerolog"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// Warned has the content of each source whose warnings were logged.
type Warned map[types.NamespacedName]*cluster.Content

// Log tells the warnings of sources that are new or changed. The states are gathered again after every event, so one that
// stays as it is must not be logged again.
func (w Warned) Log(log zerolog.Logger, states map[types.NamespacedName]policy.SourceState) {
	for _, warning := range policy.SourceWarnings(states) {
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
