package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// standing is a rule with the place where it stands.
type standing struct {
	rule *Rule
	spec *RuleSpec
	text *text
	at   string // rules[2]
}

func (s standing) String() string { return s.text.name + ", " + s.at }

func (s standing) warn(path, format string, args ...any) {
	s.text.warnAt(s.at+path, fmt.Sprintf(format, args...))
}

// systemNamespace is the one namespace that every cluster has and nobody means when they write a glob.
const systemNamespace = "kube-system"

// warn says what is odd about rules that are accepted.
func (o *overlaps) warn(rules []standing) {
	for _, r := range rules {
		r.warnOfSystem()
		r.warnOfNothing(o, ".namespaces", r.rule.Namespaces, r.spec.Namespaces, namespaceNames)
		if r.spec.ServiceAccounts.Include == nil || len(r.spec.ServiceAccounts.Include) > 0 {
			r.warnOfNothing(o, ".serviceAccounts", r.rule.ServiceAccounts, r.spec.ServiceAccounts, accountNames)
		}
	}
	o.warnOfLosers(rules)
}

// warnOfSystem tells of globs that reach further than was thought. Whoever leaves namespaces out asked for all of them.
func (s standing) warnOfSystem() {
	m := s.rule.Namespaces
	if slices.Contains(m.include, systemNamespace) || !m.Matches(systemNamespace, cluster.Labels{{Key: nameLabel, Value: systemNamespace}}) {
		return
	}
	for i := range s.spec.Namespaces.Include {
		if m.include[i].matches(systemNamespace) {
			s.warn(fmt.Sprintf(".namespaces.include[%d]", i), "%q matches %s too: exclude that namespace, or include it by its name if it is meant",
				brief(string(m.include[i])), systemNamespace)
			return
		}
	}
}

// nameKind is what a kind of object may be called.
type nameKind struct {
	what, dots string // dots: why there are none
	longest    int
}

var (
	namespaceNames = nameKind{what: "namespace", dots: "the name of a namespace has no dots", longest: 63}
	accountNames   = nameKind{what: "service account", longest: 253}
)

// impossible says why no name fits a glob, or "".
func (k nameKind) impossible(g glob) string {
	switch {
	case k.dots != "" && strings.Contains(string(g), "."):
		return k.dots
	case strings.ContainsAny(string(g[0]), "-.") || strings.ContainsAny(string(g[len(g)-1]), "-."):
		return "names start and end with a letter or digit"
	case len(g)-strings.Count(string(g), "*") > k.longest:
		return fmt.Sprintf("the name of a %s has at most %d characters", k.what, k.longest)
	}
	return ""
}

// warnOfNothing tells of a matcher that nothing can match, with the first reason for it.
func (s standing) warnOfNothing(o *overlaps, path string, m Matcher, spec MatchSpec, kind nameKind) {
	for i := range spec.Include {
		if why := kind.impossible(m.include[i]); why != "" {
			s.warn(fmt.Sprintf("%s.include[%d]", path, i), "%q can match nothing: %s", brief(string(m.include[i])), why)
		}
	}
	if !slices.ContainsFunc(m.include, func(g glob) bool { return !o.anyCovers(m.exclude, g) }) {
		s.warn(path+".exclude", "no %s can match: everything that include has is excluded", kind.what)
	} else if key, ok := contradiction(ask(m.selector)); ok {
		s.warn(path+".selector", "no %s can match: the label %s cannot be all that is asked of it", kind.what, key)
	}
}
