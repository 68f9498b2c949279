package ui

import (
	"context"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/ui/view"
)

// Dumped is a cluster as a dump has it.
type Dumped struct {
	Place
	Dump *inspect.Dump
}

// Facts are those of the dump.
func (d Dumped) Facts() view.Facts {
	f := d.facts()
	f.Policy = view.Known[*cluster.ConfigMap]{Known: true, Value: d.Dump.ConfigMap(d.PolicyName)}
	f.Status = view.Known[*cluster.ConfigMap]{Known: true, Value: d.Dump.ConfigMap(d.StatusName)}
	f.Namespaces = view.Known[[]*cluster.Namespace]{Known: true, Value: d.Dump.Namespaces()}
	return f
}

// facts are those that no cluster tells.
func (p Place) facts() view.Facts {
	return view.Facts{
		Context: p.Context, Namespace: p.Namespace, PolicyName: p.PolicyName, StatusName: p.StatusName,
		Options: p.Options, Kubectl: p.Kubectl, Meanings: inspect.ProblemMeanings(),
	}
}

// Changed never receives: a dump does not change.
func (d Dumped) Changed() <-chan struct{} { return nil }

// Explain is what pullsecrets explain says of the dump.
func (d Dumped) Explain(_ context.Context, namespace string, target inspect.Target) (*inspect.Explanation, error) {
	return d.Dump.Explain(d.Options, nil, namespace, target)
}

// Run waits.
func (d Dumped) Run(ctx context.Context) { <-ctx.Done() }
