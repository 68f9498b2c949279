package policy

import "strings"

// glob is a pattern, anchored at both ends, in which * is any run of characters and ? is any one.
type glob string

func matchesAny(globs []glob, name string) bool {
	for _, g := range globs {
		if g.matches(name) {
			return true
		}
	}
	return false
}

// matches takes time linear in the name for one star and at most pattern times name for many: it only ever
// goes back to the last star.
func (g glob) matches(name string) bool {
	if g == "*" {
		return true
	}
	p, n := 0, 0
	star, mark := -1, 0
	for n < len(name) {
		switch {
		case p < len(g) && g[p] == '*':
			star, mark = p, n
			p++
		case p < len(g) && (g[p] == '?' || g[p] == name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(string(g[p:]), "*") == ""
}
