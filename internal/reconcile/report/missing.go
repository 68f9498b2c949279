package report

import (
	"maps"
	"slices"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// How much the status says of missing copies: `evict` reads it, and a ConfigMap has 1 MiB for that and the policy.
const (
	shownMissing = 20  // names
	shownLacking = 100 // namespaces of each
)

// missingCopies are the names of the copies that rules want in a namespace and that are not there by now, sorted.
func missingCopies(todo plan.Plan, result apply.Result) (names []string) {
	written := map[string]bool{}
	for _, o := range result.Outcomes {
		if o.Kind == plan.KindSecret && o.Err == nil {
			written[o.Name] = true
		}
	}
	for _, a := range todo.Actions {
		wanted := a.Kind == plan.KindSecret && a.Rule != "" && !a.Yields()
		if wanted && !written[a.Name] && !a.IsThere() || wanted && a.Verb == plan.Release {
			names = append(names, a.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// moveMissing accounts for the copies that a namespace lacks now, and lacked before.
func (r *Reporter) moveMissing(namespace string, before, after []string) {
	for _, name := range before {
		if delete(r.missing[name], namespace); len(r.missing[name]) == 0 {
			delete(r.missing, name)
		}
	}
	for _, name := range after {
		if r.missing[name] == nil {
			r.missing[name] = map[string]bool{}
		}
		r.missing[name][namespace] = true
	}
}

// missingTotals are the first missing copies by name, and whether there are more.
func (r *Reporter) missingTotals() (first []status.MissingCopy, cut bool) {
	for _, name := range smallest(maps.Keys(r.missing), shownMissing) {
		namespaces := r.missing[name]
		first = append(first, status.MissingCopy{
			Name: name, Namespaces: smallest(maps.Keys(namespaces), shownLacking), Cut: len(namespaces) > shownLacking,
		})
	}
	return first, len(r.missing) > shownMissing
}
