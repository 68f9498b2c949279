package view

import (
	"slices"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/inspect/tell"
)

// Explained is what explain says of a namespace.
type Explained struct {
	Namespace, Of string
	Error         string
	Do            []tell.Line // what to do
	Groups        []Group
	Cut           string
}

// Group is what is said of one object.
type Group struct {
	Head, Text string
	Lines      []tell.Line
}

// shownGroups is of how many objects of a namespace the page tells.
const shownGroups = 200

// NewExplained words an explanation as explain does.
func NewExplained(e *inspect.Explanation, target inspect.Target) *Explained {
	out := &Explained{Namespace: e.Namespace, Of: target.String()}
	for _, line := range tell.Explanation(e) {
		if line.Kind == tell.Title {
			out.Groups = append(out.Groups, Group{Head: line.Head, Text: line.Text})
			continue
		}
		last := &out.Groups[len(out.Groups)-1] // a title comes first
		last.Lines = append(last.Lines, line)
	}
	if at := slices.IndexFunc(out.Groups, func(g Group) bool { return g.Head == tell.ToDo }); at >= 0 {
		out.Do = out.Groups[at].Lines
		out.Groups = slices.Delete(out.Groups, at, at+1)
	}
	out.Groups, out.Cut = first(out.Groups, shownGroups, "pullsecrets explain "+e.Namespace+" has all")
	return out
}

// NotExplained says why there is no explanation.
func NotExplained(namespace string, target inspect.Target, why string) *Explained {
	return &Explained{Namespace: namespace, Of: target.String(), Error: why}
}
