package status

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// RuleTotals is what came of one rule. Nothing in it changes with time alone.
type RuleTotals struct {
	Name            string `json:"name"`
	Namespaces      int    `json:"namespaces"`        // that it selects
	Copies          int    `json:"copies"`            // in place; an earlier rule may make those that it wants too
	Missing         int    `json:"missing,omitempty"` // that are wanted and not there
	ServiceAccounts int    `json:"serviceAccounts"`   // that it gives names to; none where the API server adds them to pods
	// Unsynced are namespaces with a write that failed or does not last, or may be of this rule.
	Unsynced        int    `json:"unsynced,omitempty"`
	OldestUnsynced  string `json:"oldestUnsynced,omitempty"`  // since when the first of these is so, RFC 3339
	OldestNamespace string `json:"oldestNamespace,omitempty"` // and which it is
}

// shownRuleBytes is how long the texts of all rules may be, of which a name has up to 253 bytes.
const shownRuleBytes = 64 << 10

// boundedRules are the first rules, and how many more there are.
func boundedRules(all []RuleTotals) (first []RuleTotals, more int) {
	size := 0
	for i, r := range all {
		if size += len(r.Name) + len(r.OldestNamespace) + len(r.OldestUnsynced); i == ShownRules || size > shownRuleBytes {
			return all[:i:i], len(all) - i
		}
	}
	return all, 0
}

// SourceSummary is what is known of a source. Nothing in it changes with time alone.
type SourceSummary struct {
	Source     string              `json:"source"` // namespace/name
	State      policy.SourceStatus `json:"state"`
	LastChange string              `json:"lastChange,omitempty"` // when somebody last wrote the credential, RFC 3339
	Expires    string              `json:"expires,omitempty"`    // when the first of its credentials ends, RFC 3339
}

// rfc3339 is RFC 3339 in UTC.
const rfc3339 = "2006-01-02T15:04:05Z"

// boundedSources are the first sources, and how many more there are.
func boundedSources(all []SourceSummary) (first []SourceSummary, more int) {
	n := min(len(all), shownSources)
	return all[:n:n], len(all) - n
}

// SummariesOf are all sources, by name.
func SummariesOf(states map[types.NamespacedName]policy.SourceState) (out []SourceSummary) {
	keys := slices.SortedFunc(maps.Keys(states), func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) })
	for _, key := range keys {
		state := states[key]
		s := SourceSummary{Source: key.String(), State: state.Status}
		if state.Source != nil {
			if at := state.Source.Written(); !at.IsZero() {
				s.LastChange = at.UTC().Format(rfc3339)
			}
			if ends := state.Source.Ends(); len(ends) > 0 {
				s.Expires = ends[0].Until.UTC().Format(rfc3339)
			}
		}
		out = append(out, s)
	}
	return out
}
