package policy

import (
	"fmt"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// WhyNot says in words why an object of this name and these labels is not selected; empty when it is.
func (m Matcher) WhyNot(name string, set cluster.Labels) string {
	if why := m.WhyNotName(name); why != "" {
		return why
	}
	requirements, selectable := m.selector.Requirements()
	if !selectable {
		return "its selector matches nothing"
	}
	for _, r := range requirements {
		if !r.Matches(set) {
			return fmt.Sprintf("the selector asks for %s, and %s", r.String(), labelOf(set, r.Key()))
		}
	}
	return ""
}

// WhyNotName is WhyNot as far as the name decides.
func (m Matcher) WhyNotName(name string) string {
	if len(m.include) == 0 {
		return "include is empty"
	}
	if !matchesAny(m.include, name) {
		return "include has no glob that matches it: " + quoted(m.include)
	}
	for _, g := range m.exclude {
		if g.matches(name) {
			return fmt.Sprintf("exclude has a glob that matches it: %q", string(g))
		}
	}
	return ""
}

// ByLabel reports whether labels decide too.
func (m Matcher) ByLabel() bool { return !m.selector.Empty() }

func quoted(globs []glob) string {
	var out []string
	for _, g := range globs {
		out = append(out, fmt.Sprintf("%q", string(g)))
	}
	return strings.Join(out, ", ")
}

func labelOf(set cluster.Labels, key string) string {
	value, ok := set.Lookup(key)
	if !ok {
		return "it has no label " + key
	}
	return fmt.Sprintf("its label is %s=%s", key, value)
}
