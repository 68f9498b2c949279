package inspect

import (
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// maker is what makes a pod anew when it is gone, and what makes that in turn. The zero value is nobody.
type maker struct {
	kind, name string
	known      *targetKind                // nil for a kind that is not ours to know
	object     *unstructured.Unstructured // nil where it is gone, or may not be read
	via        *maker                     // what the pod itself names, if that is another: the ReplicaSet of a Deployment
}

func (m maker) String() string {
	if m.known != nil {
		return m.known.word + "/" + m.name
	}
	return m.kind + " " + m.name
}

// made names what a pod's pull secrets are written down in.
func (s stuck) made() string {
	if s.by.name == "" {
		return "this pod"
	}
	return s.by.String()
}

// makerOf finds what makes a pod, and its template, if that may be read.
func (e *explainer) makerOf(u *unstructured.Unstructured) (by maker, template *unstructured.Unstructured) {
	for range 2 {
		controller := cluster.ControllerOf(u)
		if controller == nil {
			break
		}
		kind := kindOf(schema.GroupKind{Group: controller.Group, Kind: controller.Kind})
		next := maker{kind: printable(controller.Kind), name: printable(controller.Name), known: kind}
		if by.name != "" {
			below := by
			next.via = &below
		}
		by = next
		if kind == nil || kind.template() == nil {
			return by, nil
		}
		found, err := e.lookup.get(kind.resource, types.NamespacedName{Namespace: e.namespace, Name: controller.Name})
		if err != nil {
			if !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) {
				e.fail(fmt.Errorf("read the %s %s: %w", kind.word, controller.Name, err))
			}
			return by, template
		}
		by.object, u, template = found, found, e.templateOf(found, kind)
	}
	return by, template
}

// restart has a pod made anew.
func (e *explainer) restart(s stuck, why string) Step {
	if s.guessed {
		why = strings.Replace(why, "a new pod", "a new pod, if its manifest has no other list,", 1)
	}
	by := s.by
	switch {
	case by.name == "":
		return Step{why + "; nothing makes this pod anew: delete it and create it from its manifest", command("kubectl -n %s replace --force -f MANIFEST", e.namespace)}
	case by.known == nil:
		return Step{Why: why + "; restart " + by.String() + ", which makes this pod"}
	case by.known.word == "job" && by.endsWithAnother():
		return Step{why + "; one more failed pod ends " + by.String() + ", and a deleted one counts: delete it and create it from its manifest", command("kubectl -n %s replace --force -f MANIFEST", e.namespace)}
	case by.known.word == "cronjob" && by.via != nil:
		return Step{why + "; so does the next run of " + by.String() + ": end this one", command("kubectl -n %s delete job %s", e.namespace, by.via.name)}
	case by.rolls():
		return Step{why, command("kubectl -n %s rollout restart %s", e.namespace, by.String())}
	}
	return Step{why + "; " + by.String() + " makes it anew", command("kubectl -n %s delete pod %s", e.namespace, s.pod.Name)}
}

// rolls reports whether a rollout replaces a pod that waits. A StatefulSet waits itself for its pod to be ready before it replaces
// it, and so does nothing; what is paused, or replaces a pod only once that is deleted, does nothing either.
func (m maker) rolls() bool {
	if m.object == nil {
		return m.known.word == "deployment"
	}
	paused, _, _ := unstructured.NestedBool(m.object.Object, "spec", "paused")
	strategy, _, _ := unstructured.NestedString(m.object.Object, "spec", "updateStrategy", "type")
	return m.known.word == "deployment" && !paused || m.known.word == "daemonset" && strategy != "OnDelete"
}

// endsWithAnother reports whether a Job takes no more failed pods. Source: k8s.io/api/batch/v1, JobSpec.BackoffLimit.
func (m maker) endsWithAnother() bool {
	if m.object == nil {
		return false
	}
	limit, found, _ := unstructured.NestedInt64(m.object.Object, "spec", "backoffLimit")
	if !found {
		limit = 6
	}
	failed, _, _ := unstructured.NestedInt64(m.object.Object, "status", "failed")
	return failed >= limit
}

// command fills words into a command. It is empty where one of them would mean something to a shell, or to the command: names in
// a dump may be anything.
func command(format string, words ...string) string {
	args := make([]any, len(words))
	for i, word := range words {
		if word == "" || strings.HasPrefix(word, "-") || strings.Trim(word, commandSafe) != "" {
			return ""
		}
		args[i] = word
	}
	return fmt.Sprintf(format, args...)
}

const commandSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@"
