package report

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// Where names the namespaces of a problem without a number: it would change with every namespace that comes.
func Where(p status.ShownProblem) string {
	if p.Namespaces > 1 {
		return p.Example + " and others"
	}
	return p.Example
}

// Totals sums up the cluster, for the status.
func (r *Reporter) Totals() status.Totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := status.Totals{Namespaces: len(r.namespaces), Selected: r.selected, Failing: r.failing, ServiceAccounts: r.accounts, Copies: maps.Clone(r.copies), Problems: len(r.problems)}
	sorted := slices.SortedFunc(maps.Keys(r.problems), compareShown)
	for _, p := range sorted[:min(len(sorted), shownProblems)] {
		first := smallest(maps.Keys(r.problems[p]), 1+shownOthers)
		shown := status.ShownProblem{Problem: p, Namespaces: len(r.problems[p]), Example: first[0], Others: first[1:]}
		if shown.Example == "" { // it is of no namespace
			shown.Namespaces = 0
		}
		t.First = append(t.First, shown)
	}
	t.Missing, t.MissingCut = r.missingTotals()
	t.Sources, t.SourcesLeftOut = r.sources.shown()
	return t
}

// compareShown has the policy's problems first.
func compareShown(a, b status.Problem) int {
	return cmp.Or(strings.Compare(b.Scope, a.Scope), compareProblems(a, b))
}

// smallest returns the first n texts in order. It does not sort them all: one problem can be of thousands of namespaces.
func smallest(texts iter.Seq[string], n int) (first []string) {
	for text := range texts {
		i, _ := slices.BinarySearch(first, text)
		if i == n {
			continue
		}
		first = slices.Insert(first, i, text)
		first = first[:min(len(first), n)]
	}
	return first
}
