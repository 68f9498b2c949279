// Package view makes the page of `pullsecrets ui` of what is known of a cluster. It asks nothing, and is told what time it is.
package view

import (
	"time"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// Facts are what is known of a cluster at one moment.
type Facts struct {
	Live    bool   // it is followed
	Context string // what the person calls the cluster; may be empty
	// Where pullsecrets is in it.
	Namespace, PolicyName, StatusName string
	Options                           policy.Options
	Kubectl                           string // how kubectl is called for this cluster
	Meanings                          []plan.Meaning

	Policy, Status Known[*cluster.ConfigMap] // nil: there is none
	Namespaces     Known[[]*cluster.Namespace]
	Away           time.Time // since when the API server does not answer; zero: it does
}

// Known is something that was asked of the API server.
type Known[T any] struct {
	What      string // what it is, for people
	Value     T
	Known     bool
	Forbidden bool   // whoever asks may not read it
	Polled    bool   // it is read again and again, because it may not be watched
	Why       string // the last request failed, and why; nothing of an object is in it
}

// Unread is something that is not known, and why.
type Unread struct{ What, Why, So string }

// unread says of each thing that is not known what the page lacks therefore.
func (f Facts) unread() (out []Unread) {
	out = lacks(out, f.Status, "what came of the policy is not known: no rules, sources and problems are shown")
	out = lacks(out, f.Policy, "whether the policy was edited since, was refused, or holds a prune is not known")
	return lacks(out, f.Namespaces, "which namespaces there are is not known: those with problems are shown, and you can ask for any by its whole name")
}

func lacks[T any](out []Unread, k Known[T], so string) []Unread {
	switch {
	case k.Forbidden:
		return append(out, Unread{k.What, "you may not read it", so})
	case !k.Known && k.Why != "":
		return append(out, Unread{k.What, k.Why, so})
	case !k.Known:
		return append(out, Unread{k.What, "the API server was asked and has not answered yet", so})
	case k.Why != "":
		return append(out, Unread{k.What, k.Why, "what is shown of it is what was known before"})
	}
	return out
}

// waits reports whether the API server was asked, and has neither answered nor failed yet.
func (k Known[T]) waits() bool { return !k.Known && !k.Forbidden && k.Why == "" }

// Waits reports whether the first answers of the API server are still waited for.
func (m *Model) Waits() bool {
	return m.facts.Away.IsZero() && (m.facts.Policy.waits() || m.facts.Status.waits() || m.facts.Namespaces.waits())
}
