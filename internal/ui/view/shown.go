package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/inspect/overview"
	"github.com/pullsecrets/pullsecrets/internal/page"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// ProblemGroup is the problems of one reason.
type ProblemGroup struct {
	Reason, Means, Do string
	Policy            bool // trouble of the policy itself, and not of single namespaces
	Namespaces        int
	Problems          []ShownProblem
	Cut               string
}

// ShownProblem is a problem with the namespaces that have it, the first of them at once.
type ShownProblem struct {
	status.Problem
	Key           string // names it among all
	Object        string
	Shown, Folded []string
	More          int // that are not named
	All           int
}

// groups are the problems in namespaces that the filter leaves; those of no namespace stay.
func (m *Model) groups(filter string) (out []ProblemGroup, cut string) {
	left, folded, all := maxProblems, maxFoldedAll, 0
	for _, g := range m.overview.Problems {
		group := ProblemGroup{Reason: g.Reason, Means: g.Means, Do: g.Do, Policy: g.Scope == overview.OfPolicy, Namespaces: g.Namespaces}
		for _, p := range g.Problems {
			names := matching(p.Namespaces, filter)
			if filter != "" && len(names) == 0 {
				continue
			}
			if all++; left == 0 {
				continue
			}
			left--
			shown := ShownProblem{Problem: p.Problem, Object: overview.Object(p.Problem), Key: strings.Join([]string{p.Rule, p.Kind, p.Name, p.Source, p.Reason, p.Detail}, "|")}
			if filter == "" {
				shown.More = p.More
			}
			shown.All = len(names) + shown.More
			n := min(len(names), maxNamed)
			fold := min(len(names)-n, maxFolded, folded)
			folded -= fold
			shown.Shown, shown.Folded = names[:n], names[n:n+fold]
			shown.More += len(names) - n - fold
			group.Problems = append(group.Problems, shown)
		}
		if len(group.Problems) > 0 {
			out = append(out, group)
		}
	}
	if more := all - maxProblems; more > 0 {
		cut = fmt.Sprintf("These are the first %d of %d; %s.", maxProblems, all, moreWithStatus)
	}
	return out, cut
}

// matching are the names that a filter leaves.
func matching(names []string, filter string) []string {
	if filter == "" {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.Contains(name, filter) })
}

// Matrix is the matrix as it is shown: the rows that the filter leaves, the worst first.
type Matrix struct {
	Rules  []string
	Rows   []Row
	All    int // that the filter leaves
	Of     int // that there are
	Listed bool
	Cut    string
	Legend []page.Look
}

// Row is a namespace.
type Row struct {
	Namespace string
	Problems  int
	Class     string
	Cells     []Cell
}

// Cell is how a rule stands in a namespace; Symbol is empty where it does not select it.
type Cell struct {
	page.Look
	Title string
	Of    int
	There int
}

// Less reports whether copies are not in place.
func (c Cell) Less() bool { return c.There < c.Of }

func (m matrix) filtered(filter string) Matrix {
	out := Matrix{Rules: m.rules, Of: len(m.rows), Listed: m.listed}
	for _, s := range byWorst {
		out.Legend = append(out.Legend, looks[s])
	}
	for _, r := range m.rows {
		if !strings.Contains(r.namespace, filter) {
			continue
		}
		if out.All++; len(out.Rows) < maxRows {
			out.Rows = append(out.Rows, r.shown(m.rules))
		}
	}
	var cuts []string
	if out.All > len(out.Rows) {
		cuts = append(cuts, fmt.Sprintf("Shown are %d of %d namespaces, the worst first: the search finds the others.", len(out.Rows), out.All))
	}
	if m.more > 0 {
		cuts = append(cuts, fmt.Sprintf("%d more rules have no column here.", m.more))
	}
	out.Cut = strings.Join(cuts, " ")
	return out
}

func (r row) shown(rules []string) Row {
	out := Row{Namespace: r.namespace, Problems: r.problems, Class: looks[r.worst].Class}
	for i, c := range r.cells {
		shown := Cell{Look: looks[c.state], Of: c.of, There: c.there}
		if c.state != notSelected {
			shown.Title = c.title(rules[i])
		}
		out.Cells = append(out.Cells, shown)
	}
	return out
}
