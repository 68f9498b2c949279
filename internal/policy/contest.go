package policy

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// claim is a rule that may decide the copies of a name, somewhere.
type claim struct {
	by     standing
	area   area
	source types.NamespacedName
}

// warnOfLosers tells of a copy that an earlier rule makes from another source, where both rules can match a namespace, and of
// rules that are to win and never do. One winner is named, not all.
func (o *overlaps) warnOfLosers(rules []standing) {
	earlier := map[string][]claim{}
	contests := make(map[*Rule]*contest, len(rules))
	for _, r := range rules {
		mine := area{r.rule.Namespaces, ask(r.rule.Namespaces.selector)}
		contests[r.rule] = &contest{}
		for i, s := range r.rule.Secrets {
			if c := (claim{r, mine, s.Source}); o.contest(c, s.Name, i, earlier[s.Name], contests) {
				earlier[s.Name] = append(earlier[s.Name], c)
			}
		}
	}
	for _, r := range rules {
		if r.rule.Override && o.left >= 0 {
			contests[r.rule].warn(r)
		}
	}
}

// contest is what a rule met among the others that make copies of its names.
type contest struct {
	wins, loses bool
	under       *Rule // an earlier one that decides its copies wherever it matches
}

// warn tells of a rule that says it is to win, and wins nothing.
func (c contest) warn(r standing) {
	switch {
	case c.wins || c.loses: // what it loses was told, with the remedy
	case c.under != nil:
		r.warn(".override", "has no effect: rule %q stands before this one and decides its copies wherever it matches: put this rule before that one, "+
			"or leave override out", c.under.Name)
	default:
		r.warn(".override", "has no effect: no later rule makes a copy of the name %s from another source in a namespace that this one selects: "+
			"give the copies the name of those that they are to replace, and put this rule before the rule that makes them; or leave override out", copyNames(r.rule))
	}
}

// copyNames are the names of a rule's copies, in its order.
func copyNames(r *Rule) string {
	const shown = 3
	var names []string
	for _, s := range r.Secrets[:min(len(r.Secrets), shown)] {
		names = append(names, fmt.Sprintf("%q", s.Name))
	}
	if len(r.Secrets) > shown {
		names = append(names, "…")
	}
	return strings.Join(names, " or ")
}

// contest holds a rule's secret against the earlier rules that make copies of its name. It is false where those decide the
// copies wherever this rule matches, so that it never wins over a later one.
func (o *overlaps) contest(mine claim, name string, secret int, earlier []claim, contests map[*Rule]*contest) bool {
	me := contests[mine.by.rule]
	told := false
	for _, c := range earlier {
		same, meant := c.source == mine.source, c.by.rule.Override
		switch {
		case told && !meant: // one is enough
		case same || meant:
			if !same && o.overlap(c.area, mine.area) {
				contests[c.by.rule].wins = true
			}
			if o.holds(c.area, mine.area) {
				me.under = c.by.rule
				return false // it has decided everywhere that this rule matches
			}
		case o.overlap(c.area, mine.area):
			told, me.loses = true, true
			text := "%q is made from %s where rule %q (%s) matches too: the first rule wins, and this one adds nothing there"
			if mine.by.rule.Override {
				text += "; override: true is about later rules, so put this rule before that one"
			}
			mine.by.warn(fmt.Sprintf(".secrets[%d]", secret), text, name, c.source, c.by.rule.Name, c.by)
		}
	}
	return true
}
