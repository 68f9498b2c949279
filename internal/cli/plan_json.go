package cli

import (
	"encoding/json"
	"io"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// planJSON is a preview as scripts read it: all changes, and all that is not done although a rule asks for it.
// Meant is what a rule asks for and an earlier one with override: true has, which is as it is meant.
type planJSON struct {
	Changes  []changeJSON  `json:"changes"`
	NotDone  []changeJSON  `json:"notDone"`
	Warnings []overlapJSON `json:"warnings"`
	Meant    []changeJSON  `json:"overridden,omitempty"`
	Sources  []sourceJSON  `json:"sourceWarnings,omitempty"`
	Failing  []failingJSON `json:"failing,omitempty"`
	Held     *heldJSON     `json:"held,omitempty"`
}

type changeJSON struct {
	Namespace string   `json:"namespace"`
	Verb      string   `json:"verb"`
	Kind      string   `json:"kind"`
	Name      string   `json:"name"`
	Rule      string   `json:"rule,omitempty"`
	Source    string   `json:"source,omitempty"`
	Reason    string   `json:"reason"`
	Defect    string   `json:"defect,omitempty"`
	Message   string   `json:"message,omitempty"`
	Added     []string `json:"added,omitempty"`
	Removed   []string `json:"removed,omitempty"`
	Diff      []string `json:"diff,omitempty"`
}

type overlapJSON struct {
	Registry   string   `json:"registry"`
	Rules      []string `json:"rules"`
	Copies     []string `json:"copies"`
	Namespaces []string `json:"namespaces"`
}

// sourceJSON is what is said of a source beside whether it can be copied.
type sourceJSON struct {
	Source  string `json:"source"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// failingJSON is a change that the controller has tried and could not make.
type failingJSON struct {
	Kind       string   `json:"kind"`
	Name       string   `json:"name"`
	Reason     string   `json:"reason"`
	Message    string   `json:"message"`
	Namespaces []string `json:"namespaces"`
}

type heldJSON struct {
	RemovedCopies     int `json:"removedCopies"`
	Copies            int `json:"copies"`
	RemovedReferences int `json:"removedReferences"`
	References        int `json:"references"`
}

func writePlanJSON(out io.Writer, v *inspect.Preview) error {
	// Lists that are empty are [], not null.
	p := planJSON{Changes: []changeJSON{}, NotDone: []changeJSON{}, Warnings: []overlapJSON{}}
	for _, n := range v.Plans {
		for _, a := range n.Actions {
			switch {
			case a.Verb != plan.None:
				p.Changes = append(p.Changes, newChangeJSON(n.Namespace, a))
			case a.Reason.Problem():
				p.NotDone = append(p.NotDone, newChangeJSON(n.Namespace, a))
			case a.Reason == plan.Overridden:
				p.Meant = append(p.Meant, newChangeJSON(n.Namespace, a))
			}
		}
	}
	for _, o := range v.Overlaps {
		p.Warnings = append(p.Warnings, overlapJSON{
			Registry: o.Registry, Namespaces: o.Namespaces,
			Rules: []string{o.First.Rule, o.Second.Rule}, Copies: []string{o.First.Copy, o.Second.Copy},
		})
	}
	for _, f := range v.Findings {
		p.Sources = append(p.Sources, sourceJSON{f.Source.String(), f.Reason, f.Text})
	}
	for _, f := range v.Failing {
		p.Failing = append(p.Failing, failingJSON{f.Kind, f.Name, f.Reason, f.Detail, f.Namespaces})
	}
	if v.Held {
		p.Held = &heldJSON{v.RemovedCopies, v.Copies, v.RemovedReferences, v.References}
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(p)
}

func newChangeJSON(namespace string, a plan.Action) changeJSON {
	c := changeJSON{
		Namespace: namespace, Verb: string(a.Verb), Kind: string(a.Kind), Name: a.Name, Rule: a.Rule,
		Reason: string(a.Reason), Defect: string(a.Defect), Message: a.Explain(), Diff: a.Diff,
	}
	if a.Reason == plan.Overridden {
		c.Message = a.Describe()
	}
	if a.Source.Name != "" {
		c.Source = a.Source.String()
	}
	if a.List != nil {
		c.Added, c.Removed = a.List.Added, a.List.Removed
	}
	return c
}
