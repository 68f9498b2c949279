package inspect

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// Step is something to do, as a command to copy where there is one.
type Step struct {
	Why     string `json:"why"`
	Command string `json:"command,omitempty"`
}

// command joins the words of a command. It is empty where one of them would mean something to a shell: names in a dump may be
// anything.
func command(words ...string) string {
	text := strings.Join(words, " ")
	if strings.Trim(text, shellSafe) != "" {
		return ""
	}
	return text
}

const shellSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_./:@="

// maker is what makes a pod anew when it is gone. Its targetKind is nil for a kind that is not ours to know; the zero value is
// nobody.
type maker struct {
	known      *targetKind
	kind, name string
}

func (m maker) String() string {
	if m.known != nil {
		return m.known.word + "/" + m.name
	}
	return m.kind + " " + m.name
}

// doAboutPod says what helps a pod that waits for an image.
func (e *explainer) doAboutPod(ns *cluster.Namespace, out *Explanation, u *unstructured.Unstructured) []Step {
	if cluster.NewPod(u).Waits == "" {
		return nil
	}
	by, made := e.makerOf(u)
	if made == nil {
		return e.steps(out.Pod, e.successor(out, ns, u), by)
	}
	return e.steps(out.Pod, e.pod(out, ns, made, true), by)
}

// successor is a pod of nobody as it would be made anew: with the names of its own list, or with those of its service account if
// it had no other.
func (e *explainer) successor(out *Explanation, ns *cluster.Namespace, u *unstructured.Unstructured) *PodExplanation {
	anew := u.DeepCopy()
	for _, account := range out.Accounts {
		foreign := func(name string) bool { return !slices.Contains(account.list, name) }
		if account.Name == accountOf(u) && !slices.ContainsFunc(podList(u), foreign) {
			unstructured.RemoveNestedField(anew.Object, "spec", "imagePullSecrets")
		}
	}
	return e.pod(out, ns, anew, true)
}

// makerOf finds what makes a pod, and its template, if that may be read. What makes ReplicaSets and Jobs is asked for in turn.
func (e *explainer) makerOf(u *unstructured.Unstructured) (by maker, template *unstructured.Unstructured) {
	for range 2 {
		controller := cluster.ControllerOf(u)
		if controller == nil {
			break
		}
		kind := kindOf(schema.GroupKind{Group: controller.Group, Kind: controller.Kind})
		by = maker{kind, controller.Kind, controller.Name}
		if kind == nil || kind.template == nil {
			return by, nil
		}
		found, err := e.lookup.get(kind.resource, types.NamespacedName{Namespace: e.namespace, Name: controller.Name})
		if err != nil {
			return by, template // it is gone, or may not be read
		}
		u, template = found, e.templateOf(found, kind)
	}
	return by, template
}

// steps says what helps a pod that waits for an image: for each image that waits, what a new pod would have that it has not, and
// else who has to do what.
func (e *explainer) steps(pod, successor *PodExplanation, by maker) (steps []Step) {
	add := func(s Step) {
		if !slices.Contains(steps, s) {
			steps = append(steps, s)
		}
	}
	for n, image := range pod.Images {
		if image.Kubelet == nil || !waits(image.Kubelet.Text) {
			continue
		}
		lacks := missingFrom(pod, successor)
		switch anew := e.inSuccessor(n, image, successor); {
		case len(image.Entries) > 0:
			add(e.ask(image))
		case anew != nil && len(anew.Entries) > 0:
			add(e.restart(pod, by, fmt.Sprintf("a new pod names %s, which has an entry for %s", anew.Entries[0].Secret, image.Image)))
		case anew != nil && anew.Unknown && len(lacks) > 0:
			add(e.restart(pod, by, "a new pod names "+strings.Join(lacks, ", ")))
		case image.ByNodes:
			add(Step{Why: "the nodes log in to the registry of " + image.Image + " by themselves, as nodeCredentials of the policy says: see their credential provider"})
		default:
			add(e.other(pod, image, by))
		}
	}
	return steps
}

// inSuccessor is the same image in a new pod, nil if its template has another by now.
func (e *explainer) inSuccessor(n int, image ImageExplanation, successor *PodExplanation) *ImageExplanation {
	if successor == nil || n >= len(successor.Images) || successor.Images[n].Image != image.Image {
		return nil
	}
	return &successor.Images[n]
}

func waits(kubelet string) bool {
	return strings.HasPrefix(kubelet, "ErrImagePull") || strings.HasPrefix(kubelet, "ImagePullBackOff")
}

func missingFrom(pod, successor *PodExplanation) []string {
	return slices.DeleteFunc(slices.Clone(successor.List), func(name string) bool { return name == "" || slices.Contains(pod.List, name) })
}

// ask is about an image that the pod has an entry for, and that waits nevertheless.
func (e *explainer) ask(image ImageExplanation) Step {
	return Step{
		Why:     "the pod has an entry for " + image.Image + ": ask the registry whether it takes it",
		Command: command("pullsecrets check -n", e.namespace, "-image", image.Image, "secret/"+image.Entries[0].Secret),
	}
}

// restart has a pod made anew.
func (e *explainer) restart(pod *PodExplanation, by maker, why string) Step {
	if by.known == nil {
		if by.name == "" {
			return Step{why + "; nothing makes this pod anew: delete it and create it from its manifest", command("kubectl -n", e.namespace, "replace --force -f MANIFEST")}
		}
		return Step{Why: why + "; restart " + by.String() + ", which makes this pod"}
	}
	switch by.known.word {
	case "deployment", "statefulset", "daemonset":
		return Step{why, command("kubectl -n", e.namespace, "rollout restart", by.String())}
	case "cronjob":
		return Step{why + "; so does its next run, and one that is started now", command("kubectl -n", e.namespace, "create job --from="+by.String(), by.name+"-again")}
	}
	return Step{why + "; " + by.String() + " makes it anew", command("kubectl -n", e.namespace, "delete pod", pod.Name)}
}

// other is about an image for which a new pod would have no entry either.
func (e *explainer) other(pod *PodExplanation, image ImageExplanation, by maker) Step {
	made := "this pod"
	if by.name != "" {
		made = by.String()
	}
	for _, o := range image.Elsewhere {
		switch {
		case o.WhyNot != "":
		case pod.hides(o.Secret):
			return Step{Why: fmt.Sprintf("add %s to imagePullSecrets in the manifest of %s, or remove the list there, and a new pod gets its service account's", o.Secret, made)}
		default:
			return Step{Why: fmt.Sprintf("rule %s brings %s to the namespace, and not to the service account %s: whoever owns the policy can add it there, or name %s in imagePullSecrets of %s",
				o.Rule, o.Secret, pod.Account, o.Secret, made)}
		}
	}
	for _, o := range image.Elsewhere {
		return Step{Why: fmt.Sprintf("rule %s has a credential for %s and does not select the namespace (%s): ask whoever owns the policy", o.Rule, image.Image, o.WhyNot)}
	}
	switch {
	case image.Unknown:
		return Step{Why: "you may not read the pod's pull secrets: ask somebody who may, whether one is for " + image.Image}
	case e.policy == nil:
		return Step{Why: "no pull secret of the pod is for " + image.Image + ": ask whoever runs pullsecrets whether a rule has one"}
	}
	return Step{Why: "no rule has a credential for " + image.Image + ": ask whoever owns the policy to add one, if it is not public"}
}

// hides reports whether a pod's own list keeps a name from it that its service account has.
func (p *PodExplanation) hides(name string) bool {
	return slices.ContainsFunc(p.Names, func(n NameExplanation) bool {
		return n.Name == name && strings.Contains(n.Text, "sets imagePullSecrets itself")
	})
}
