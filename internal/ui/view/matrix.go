package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/inspect/overview"
	"github.com/pullsecrets/pullsecrets/internal/page"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// state is how a rule stands in a namespace; what is worse is more.
type state int

const (
	notSelected state = iota
	optedOut
	inPlace
	notKnown
	missing
	inTrouble
)

// looks are those of states.
var looks = map[state]page.Look{
	optedOut:  {Class: "public", Symbol: "○", Words: "opted out, or being deleted"},
	inPlace:   {Class: "covered", Symbol: "●", Words: "as rules want it"},
	notKnown:  {Class: "unknown", Symbol: "?", Words: "not known"},
	missing:   {Class: "none", Symbol: "✕", Words: "with a copy missing"},
	inTrouble: {Class: "alarm", Symbol: "▲", Words: "with a problem"},
}

// byWorst are the states that show, the worst first.
var byWorst = []state{inTrouble, missing, notKnown, inPlace, optedOut}

// maxColumns is of how many rules the matrix has a column.
const maxColumns = 24

// matrix has a row for each namespace and a column for each rule.
type matrix struct {
	rules  []string
	more   int // rules without a column
	rows   []row
	counts map[state]int // of namespaces that are known
	listed bool          // rows are all namespaces, and not only those with problems
}

type row struct {
	namespace string
	problems  int
	worst     state
	cells     []cell
}

// cell is how a rule stands; of are the copies that it wants, and there those of them that are in place.
type cell struct {
	state
	of, there int
}

// newMatrix holds the namespaces against the policy and the problems. Without the policy, rows tell of problems alone.
func newMatrix(o *overview.Overview, p *policy.Policy, r status.Record, namespaces Known[[]*cluster.Namespace]) matrix {
	m := matrix{counts: map[state]int{}, listed: namespaces.Known}
	if p != nil {
		for _, rule := range p.Rules[:min(len(p.Rules), maxColumns)] {
			m.rules = append(m.rules, rule.Name)
		}
		m.more = len(p.Rules) - len(m.rules)
	}
	at := troublesByNamespace(o)
	for _, ns := range namespaces.Value {
		m.add(newRow(ns, p, r, at[ns.Name]))
		delete(at, ns.Name)
	}
	for name, problems := range at { // that may not be listed, or are gone
		if !namespaces.Known {
			m.add(newRow(&cluster.Namespace{Meta: cluster.Meta{Name: name}}, nil, r, problems).width(len(m.rules)))
		}
	}
	slices.SortFunc(m.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(b.worst, a.worst), cmp.Compare(b.problems, a.problems), strings.Compare(a.namespace, b.namespace))
	})
	return m
}

func (m *matrix) add(r row) {
	m.rows = append(m.rows, r)
	m.counts[r.worst]++
}

func (r row) width(columns int) row {
	r.cells = make([]cell, columns)
	return r
}

// troublesByNamespace are the problems of each namespace. Those of the policy itself are no namespace's, whichever have them.
func troublesByNamespace(o *overview.Overview) map[string][]status.Problem {
	at := map[string][]status.Problem{}
	for _, g := range o.Problems {
		if g.Scope == overview.OfPolicy || g.Reason == string(plan.PruneHeld) {
			continue
		}
		for _, p := range g.Problems {
			for _, ns := range p.Namespaces {
				at[ns] = append(at[ns], p.Problem)
			}
		}
	}
	return at
}

// newRow is how the rules of a policy stand in a namespace.
func newRow(ns *cluster.Namespace, p *policy.Policy, r status.Record, problems []status.Problem) row {
	out := row{namespace: ns.Name, problems: len(problems)}
	if len(problems) > 0 {
		out.worst = inTrouble
	}
	if p == nil {
		return out
	}
	for i, rule := range p.Rules {
		c := newCell(ns, rule, r, problems)
		out.worst = max(out.worst, c.state)
		if i < maxColumns {
			out.cells = append(out.cells, c)
		}
	}
	return out
}

func newCell(ns *cluster.Namespace, rule *policy.Rule, r status.Record, problems []status.Problem) (c cell) {
	switch {
	case !rule.Namespaces.Matches(ns.Name, ns.Labels):
		return c
	case ns.Excluded, ns.Terminating:
		c.state = optedOut
		return c
	}
	c.state, c.of = inPlace, len(rule.Secrets)
	for _, s := range rule.Secrets {
		switch there, known := r.Place(ns.Name, s.Name); {
		case !known || r.Status == "":
			c.state = max(c.state, notKnown)
		case there:
			c.there++
		default:
			c.state = max(c.state, missing)
		}
	}
	if slices.ContainsFunc(problems, func(p status.Problem) bool { return p.Rule == rule.Name }) {
		c.state = inTrouble
	}
	return c
}

// title says in words what a cell shows.
func (c cell) title(rule string) string {
	if c.state == optedOut {
		return fmt.Sprintf("%s: %s", rule, looks[optedOut].Words)
	}
	return fmt.Sprintf("%s: %s; %d of %d in place", rule, looks[c.state].Words, c.there, c.of)
}
