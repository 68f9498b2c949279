package soak

import (
	"fmt"
	"slices"
)

// event is a change of a secret or an account; before is nil where it is new, and after where it is gone.
type event struct {
	secret        bool
	before, after *object
	version       string
}

// judgeEvents goes through everything that was written in the round by others than the operations, and returns what
// must not be, also where it was put right again: an entry or a secret of others that was taken, a source that was written,
// a copy that was made anew without need, or that nobody asked for.
func (w *world) judgeEvents() (differences []string) {
	for _, e := range w.events {
		if w.versions[e.version] {
			continue
		}
		if e.before == nil {
			differences = append(differences, w.made(e)...)
			continue
		}
		b := e.before
		if w.swept[b.ns] || e.after == nil && w.deleted[b.uid] {
			continue
		}
		switch {
		case !e.secret && e.after != nil:
			differences = append(differences, w.removed(e)...)
		case !e.secret:
			differences = append(differences, fmt.Sprintf("account %s was deleted", b.key))
		default:
			differences = append(differences, w.secretWritten(e)...)
		}
	}
	slices.Sort(differences)
	return slices.Compact(differences)
}

// made judges a secret that a program made.
func (w *world) made(e event) []string {
	if k := e.after.key; e.secret && !w.swept[k.ns] && len(w.ever[k]) == 0 {
		return []string{fmt.Sprintf("secret %s was made at version %s, and no rule asked for it at any time", k, e.version)}
	}
	return nil
}

// removed are the names that a write of a program took from an account although no ledger had them.
func (w *world) removed(e event) (differences []string) {
	keeper, noted := e.before.ledger()
	for _, name := range e.before.list {
		if !e.after.has(name) && !slices.Contains(noted, name) {
			differences = append(differences, fmt.Sprintf("account %s lost the name %s at version %s, which was in no ledger (%s: %v); the list was %v",
				e.before.key, name, e.version, keeper, noted, e.before.list))
		}
	}
	return differences
}

// secretWritten judges a write or a deletion of a secret.
func (w *world) secretWritten(e event) (differences []string) {
	b := e.before
	what := "written"
	if e.after == nil {
		what = "deleted"
	}
	switch ours := b.installation() != "" || b.applied; {
	case slices.Contains(homes, b.ns) && slices.Contains(registries, b.name) && !ours:
		return []string{fmt.Sprintf("source %s was %s at version %s", b.key, what, e.version)}
	case !ours && !w.forced(b.key):
		return []string{fmt.Sprintf("secret %s of somebody else was %s at version %s", b.key, what, e.version)}
	case ours && e.after == nil && b.annotations["pullsecrets/prune"] == "false" && len(w.ever[b.key]) == 0:
		return []string{fmt.Sprintf("secret %s was deleted, although its rule does not prune", b.key)}
	case ours && e.after == nil && w.steady(b.key):
		return []string{fmt.Sprintf("secret %s was deleted at version %s, although it was asked for all the time", b.key, e.version)}
	}
	return nil
}
