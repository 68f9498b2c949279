package admission

import (
	"maps"
	"slices"

	"github.com/pullsecrets/pullsecrets/internal/admission"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// Exceptions are the copies, by namespace, that are not as their source alone would say. Namespaces without any are left out.
type Exceptions map[string]exception

// exception is what is special about the copies of one namespace.
type exception struct {
	blocked []string // names whose copy is known not to come
	kept    []keptCopy
}

// keptCopy is a copy that is there, though its source cannot be used.
type keptCopy struct {
	secret policy.Secret
	rule   string // that decides it
}

// Add takes in what was decided about a namespace, and reports whether that changed something. A plan without actions is for
// one that is gone.
func (e Exceptions) Add(todo plan.Plan) (changed bool) {
	var now exception
	for _, action := range todo.Actions {
		if action.Blocked() {
			now.blocked = append(now.blocked, action.Name)
		}
		if action.Kept {
			now.kept = append(now.kept, keptCopy{policy.Secret{Source: action.Source, Name: action.Name}, action.Rule})
		}
	}
	before := e[todo.Namespace]
	if len(now.blocked)+len(now.kept) == 0 {
		delete(e, todo.Namespace)
	} else {
		e[todo.Namespace] = now
	}
	return !slices.Equal(now.blocked, before.blocked) || !slices.Equal(now.kept, before.kept)
}

// into adds the exceptions to what the parameters depend on.
func (e Exceptions) into(out admission.Dependencies, p *policy.Policy) {
	prunes := map[string]bool{}
	for _, rule := range p.Rules {
		prunes[rule.Name] = rule.Prune
	}
	for _, namespace := range slices.Sorted(maps.Keys(e)) {
		for _, name := range e[namespace].blocked {
			out.Blocked[name] = append(out.Blocked[name], namespace)
		}
		for _, k := range e[namespace].kept {
			at := out.Retained[k.secret]
			if prunes[k.rule] {
				at.Prune = append(at.Prune, namespace)
			} else {
				at.Stay = append(at.Stay, namespace)
			}
			out.Retained[k.secret] = at
		}
	}
}
