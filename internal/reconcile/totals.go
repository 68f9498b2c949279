package reconcile

import (
	"encoding/json"
	"iter"
	"maps"
	"slices"
)

// totals is what status.json shows of the cluster.
type totals struct {
	Namespaces      int            `json:"namespaces"`
	ServiceAccounts int            `json:"serviceAccounts"`
	Copies          map[string]int `json:"copies"`                 // in place, by rule
	RulesLeftOut    int            `json:"rulesLeftOut,omitempty"` // whose copies are not among these
	Problems        int            `json:"problemCount"`
	First           []shownProblem `json:"problems,omitempty"`
}

type shownProblem struct {
	problem
	Namespaces int      `json:"namespaces"`
	Example    string   `json:"example"`          // the first namespace by name
	Others     []string `json:"others,omitempty"` // the next ones by name, at most shownOthers
}

// where names the namespaces without a number: it would change with every namespace that comes.
func (p shownProblem) where() string {
	if p.Namespaces > 1 {
		return p.Example + " and others"
	}
	return p.Example
}

func (r *report) totals() totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := totals{Namespaces: len(r.namespaces), ServiceAccounts: r.accounts, Copies: maps.Clone(r.copies), Problems: len(r.problems)}
	sorted := slices.SortedFunc(maps.Keys(r.problems), compareProblems)
	for _, p := range sorted[:min(len(sorted), shownProblems)] {
		first := smallest(maps.Keys(r.problems[p]), 1+shownOthers)
		shown := shownProblem{problem: p, Namespaces: len(r.problems[p]), Example: first[0], Others: first[1:]}
		if shown.Example == "" { // it is of no namespace
			shown.Namespaces = 0
		}
		t.First = append(t.First, shown)
	}
	return t
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

// firstRules returns the counts of the first rules by name, and of how many rules they leave out.
func firstRules(copies map[string]int) (first map[string]int, more int) {
	if len(copies) <= shownRules {
		return copies, 0
	}
	first = map[string]int{}
	for _, rule := range slices.Sorted(maps.Keys(copies))[:shownRules] {
		first[rule] = copies[rule]
	}
	return first, len(copies) - shownRules
}

// json encodes the totals with what is said of the policy. It leaves out the copies of rules beyond shownRules.
func (t totals) json(verdict verdict, status, confirmed string) (string, error) {
	t.Copies, t.RulesLeftOut = firstRules(t.Copies)
	text, err := json.MarshalIndent(struct {
		Status   string `json:"status"`
		Observed string `json:"observed"`
		Revision string `json:"revision,omitempty"`
		// Confirmed is the confirmation of a held prune that was used up.
		Confirmed string `json:"confirmed,omitempty"`
		totals
	}{status, verdict.hash, verdict.revision, confirmed, t}, "", "  ")
	return string(text) + "\n", err
}
