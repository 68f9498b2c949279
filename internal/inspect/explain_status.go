package inspect

import (
	"fmt"
	"slices"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// statusOf says what the status knows of an object of a namespace, besides what was decided about it.
func (e *explainer) statusOf(a plan.Action) (texts []string) {
	for _, p := range e.snapshot.allProblems() {
		if p.Kind != string(a.Kind) || p.Name != a.Name || p.Reason == string(a.Reason) && unread(a.Reason) == "" {
			continue
		}
		switch named := len(p.Namespaces); {
		case slices.Contains(p.Namespaces, e.namespace):
			texts = append(texts, fmt.Sprintf("%s (%s)", p.Detail, p.Reason))
		case p.More > 0 && a.Verb != plan.None:
			texts = append(texts, fmt.Sprintf("perhaps, because the status tells it of %d namespaces and names %d: %s (%s)", named+p.More, named, p.Detail, p.Reason))
		}
	}
	return texts
}

// pending words what is about to be done; told is what the status knows of it. It may have no room for all problems.
func (e *explainer) pending(verb plan.Verb, told []string) string {
	total, named := e.snapshot.record().Problems, len(e.snapshot.allProblems())
	switch {
	case len(told) > 0:
		return "the controller cannot " + string(verb) + " it: " + told[0]
	case e.snapshot.statusDenied != nil:
		return fmt.Sprintf("the controller is about to %s it, or cannot: the status ConfigMap would tell, and you may not read it", verb)
	case total > named:
		return fmt.Sprintf("the controller is about to %s it, or cannot: the status names %d of %d problems, and this may be another; see the controller's log",
			verb, named, total)
	}
	return aboutTo(verb)
}

func aboutTo(verb plan.Verb) string {
	return "the controller is about to " + string(verb) + " it: see its log if it does not"
}
