package policy

import (
	"path"
	"strings"
)

// glob is a pattern for a whole name, in which * is any run of characters and ? is any one. path.Match decides; what else
// is special to it, [ and \, is refused in a policy, and the one character that its stars do not cross, /, is in no name.
type glob string

func matchesAny(globs []glob, name string) bool {
	for _, g := range globs {
		if g.matches(name) {
			return true
		}
	}
	return false
}

// matches compares the characters before the first * or ? by itself: most names differ from a glob there already.
// path.Match, which reads the glob to its end, would take about four times as long for all rules and namespaces.
func (g glob) matches(name string) bool {
	for i := 0; i < len(g) && !special(g[i]); i++ {
		if i == len(name) || g[i] != name[i] {
			return false
		}
	}
	if len(g)-strings.Count(string(g), "*") > len(name) {
		return false // path.Match would hold a glob that is as long as the policy against each end of the name
	}
	ok, _ := path.Match(string(g), name)
	return ok
}
