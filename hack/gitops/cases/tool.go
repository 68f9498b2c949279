package cases

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Kind is a GitOps tool, and a way to use it.
type Kind struct {
	Name string // in the table
	New  func(c *Cluster) Tool
	// Applier is its field manager, if it applies on the server.
	Applier string
	// OwnsDefault says that people have it write the account default too, that nobody created.
	OwnsDefault bool
	// Refuses says that it does not take over what others own, but fails.
	Refuses bool
	// SeesItsOwnListOnly says that its diff does not ask the API server, so it cannot know what admission will add.
	SeesItsOwnListOnly bool
	// Snippet is what docs/gitops.md says to configure where git has a list; without one, the advice is to leave the
	// list out of git and have the policy bring its names.
	Snippet string
}

// Tool is a tool's engine. A new one has applied nothing yet.
type Tool interface {
	// Pass is what the tool does with a revision of git, again and again: it applies what git holds and removes what
	// it applied before and git does not hold any more. It returns what it says that it changed.
	Pass(ctx context.Context, git []*unstructured.Unstructured) (changed []string, err error)
	// Drift is what the tool shows as different from git besides that. It writes nothing.
	Drift(ctx context.Context, git []*unstructured.Unstructured) ([]string, error)
	// Configure puts the documented snippet in force.
	Configure()
}

// ErrRefused is what a pass ends with that did not apply something because others own it.
var ErrRefused = errors.New("refused: others own what it applies")

// ID names an object as in "ServiceAccount team-a/ci".
func ID(u *unstructured.Unstructured) string {
	if u.GetNamespace() == "" {
		return u.GetKind() + " " + u.GetName()
	}
	return u.GetKind() + " " + u.GetNamespace() + "/" + u.GetName()
}
