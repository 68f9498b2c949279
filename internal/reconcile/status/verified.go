package status

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// Verdict is what came of asking the registries of a source.
type Verdict string

// The verdicts.
const (
	VerdictAsking     Verdict = "Asking"     // they have not answered yet, and copies wait for it
	VerdictAccepted   Verdict = "Accepted"   // all of them take the credential
	VerdictRefused    Verdict = "Refused"    // one of them does not
	VerdictUnverified Verdict = "Unverified" // it is copied although not all of them said so
)

// Verdicts are all of them.
var Verdicts = []Verdict{VerdictAsking, VerdictAccepted, VerdictRefused, VerdictUnverified}

// VerifiedSource is what is known of a source whose registries are asked. Nothing of the credential is in it: it is about the
// version of the source that the API server names.
type VerifiedSource struct {
	Source          string    `json:"source"` // namespace/name
	UID             types.UID `json:"uid"`
	ResourceVersion string    `json:"resourceVersion"`
	Verdict         Verdict   `json:"verdict"`
	// Text says what the registries said: why they refuse it, or did not tell. With Asking it is why they refused the
	// credential before this one, with Accepted that they do not answer any more; in both cases it may be empty.
	Text string `json:"text,omitempty"`
	// Silent: Text is about a registry that does not answer, so that it is worth while to ask again soon.
	Silent bool `json:"silent,omitempty"`
}

// Of reports whether this is known of a source as it is.
func (v VerifiedSource) Of(s *cluster.Source) bool {
	return s != nil && v.UID == s.UID && v.ResourceVersion == s.ResourceVersion
}

// Judge is the state of a source of which this is known, where it could be copied otherwise. While a credential that replaces
// a refused one is asked about, the source stays refused: it would be no problem for that moment, and perhaps one again.
func (v VerifiedSource) Judge(state policy.SourceState) policy.SourceState {
	if state.Status != policy.SourceUsable {
		return state
	}
	switch {
	case v.Verdict == VerdictRefused:
		state.Status, state.Cause = policy.SourceRefused, v.Text
	case v.Verdict == VerdictAsking && v.Text != "":
		state.Status, state.Cause = policy.SourceRefused, "the credential before this one was refused, and this one is being asked about: "+v.Text
	case v.Verdict == VerdictAsking:
		state.Status = policy.SourceVerifying
	case v.Text != "":
		state.Findings = append(slices.Clip(state.Findings), plan.NewFinding(plan.SourceUnverified, v.Text))
	}
	return state
}

// JudgeSource is the state of a source whose registries are asked, as far as the record tells. Where it tells nothing of the
// version that the source has now, it is as if nobody was asked.
func (r Record) JudgeSource(key types.NamespacedName, state policy.SourceState) policy.SourceState {
	for _, v := range r.Verified {
		if v.Source == key.String() && v.Of(state.Source) {
			return v.Judge(state)
		}
	}
	return state
}

// ShownVerified is of how many sources the record has what registries said. Those beyond are asked anew after a restart.
const ShownVerified = 200

// firstVerified are the first sources by name.
func firstVerified(all []VerifiedSource) []VerifiedSource {
	all = slices.SortedFunc(slices.Values(all), func(a, b VerifiedSource) int { return strings.Compare(a.Source, b.Source) })
	return all[:min(len(all), ShownVerified)]
}
