package inspect

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// saidOfSource is what is to be said of a source beside whether it can be copied: as far as the source tells it to whoever
// asks, and what only the controller can know, as the status tells it.
func (e *explainer) saidOfSource(key types.NamespacedName) (texts []string) {
	if key.Name == "" {
		return nil
	}
	state := e.snapshot.source(key)
	for _, f := range state.Findings {
		texts = append(texts, fmt.Sprintf("%s (%s)", f.Text, f.Reason))
	}
	usable := state.Status == policy.SourceUsable
	for _, f := range e.snapshot.record().Sources {
		text := fmt.Sprintf("%s (%s)", f.Message, f.Reason)
		if f.Source == key.String() && !(usable && plan.Reason(f.Reason).InSource()) && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts
}
