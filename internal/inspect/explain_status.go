package inspect

import (
	"fmt"
	"slices"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// statusOf says what the status knows of an object of a namespace, besides what was decided about it.
func (e *explainer) statusOf(a plan.Action) (texts []string) {
	for _, p := range e.snapshot.record().First {
		if p.Kind != string(a.Kind) || p.Name != a.Name || p.Reason == string(a.Reason) && unread(a.Reason) == "" {
			continue
		}
		switch listed := 1 + len(p.Others); {
		case p.Example == e.namespace || slices.Contains(p.Others, e.namespace):
			texts = append(texts, fmt.Sprintf("%s (%s)", p.Detail, p.Reason))
		case p.Namespaces > listed && a.Verb != plan.None:
			texts = append(texts, fmt.Sprintf("perhaps, because the status tells it of %d namespaces and names %d: %s (%s)", p.Namespaces, listed, p.Detail, p.Reason))
		}
	}
	return texts
}

// pending words what is about to be done; told is what the status knows of it. Of many problems it names the first.
func (e *explainer) pending(verb plan.Verb, told []string) string {
	t := e.snapshot.record()
	switch {
	case len(told) > 0:
		return "the controller cannot " + string(verb) + " it: " + told[0]
	case e.snapshot.statusDenied != nil:
		return fmt.Sprintf("the controller is about to %s it, or cannot: the status ConfigMap would tell, and you may not read it", verb)
	case t.Problems > len(t.First):
		return fmt.Sprintf("the controller is about to %s it, or cannot: the status names %d of %d problems, and this may be another; see the controller's log",
			verb, len(t.First), t.Problems)
	}
	return aboutTo(verb)
}

func aboutTo(verb plan.Verb) string {
	return "the controller is about to " + string(verb) + " it: see its log if it does not"
}
