package policy

import "k8s.io/apimachinery/pkg/labels"

// Include are the globs of which one must match a name. None of them matches nothing.
func (m Matcher) Include() []string { return texts(m.include) }

// Exclude are the globs that win over Include.
func (m Matcher) Exclude() []string { return texts(m.exclude) }

// Requirements are what the selector asks of labels, all of it, sorted by key. Matchers of a valid policy have no
// selector that matches nothing.
func (m Matcher) Requirements() labels.Requirements {
	if m.selector == nil {
		return nil
	}
	requirements, _ := m.selector.Requirements()
	return requirements
}

func texts(globs []glob) []string {
	out := make([]string, 0, len(globs))
	for _, g := range globs {
		out = append(out, string(g))
	}
	return out
}

// MatchesName is Matches as far as the name decides.
func (m Matcher) MatchesName(name string) bool { return m.named(name) }
