package inspect

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// Step is something to do, as a command to copy where there is one.
type Step struct {
	Why     string `json:"why"`
	Command string `json:"command,omitempty"`
}

// stuck is a pod that waits for an image, and what a pod that is made in its place would have.
type stuck struct {
	pod       *PodExplanation
	account   *AccountExplanation // its service account; nil where it is not known
	by        maker
	successor *PodExplanation
	guessed   bool       // the successor is worked out from the pod: its template may not be read, or it has none
	has       podSecrets // of the successor
}

// doAbout says what helps a pod that waits for an image.
func (e *explainer) doAbout(ns *cluster.Namespace, out *Explanation, u *unstructured.Unstructured) []Step {
	if !isAlive(u) || ns.Terminating || isMirror(u) {
		return nil
	}
	s := stuck{pod: out.Pod}
	for i := range out.Accounts {
		if out.Accounts[i].Name == s.pod.Account {
			s.account = &out.Accounts[i]
		}
	}
	template := (*unstructured.Unstructured)(nil)
	if s.by, template = e.makerOf(u); template == nil {
		template, s.guessed = anew(u, s.account), true
	}
	s.successor = e.pod(out, ns, template, true)
	s.has = e.pullSecrets(s.successor.List)
	return e.steps(s)
}

// anew is a pod as it would be made again: with the names of its own list, or with those of its service account if it had no other.
func anew(u *unstructured.Unstructured, account *AccountExplanation) *unstructured.Unstructured {
	out := u.DeepCopy()
	others := func(name string) bool { return !slices.Contains(account.list, name) }
	if account != nil && !slices.ContainsFunc(podList(u), others) {
		unstructured.RemoveNestedField(out.Object, "spec", "imagePullSecrets")
	}
	return out
}

// steps says what helps, for each image that is waited for: what a new pod has that this one has not, and else who has to do what.
func (e *explainer) steps(s stuck) (steps []Step) {
	add := func(one Step) {
		if !slices.Contains(steps, one) {
			steps = append(steps, one)
		}
	}
	for _, image := range s.pod.Images {
		repository, _, err := cluster.Repository(image.Image)
		switch {
		case err != nil || image.Kubelet == nil:
		case image.Broken != "":
			add(e.mend(s, image))
		case !waits(image.Kubelet.Text):
		default:
			for _, one := range e.step(s, image, repository) {
				add(one)
			}
		}
	}
	return steps
}

// waits reports whether a container waits for an image that could not be pulled.
func waits(kubelet string) bool {
	for _, reason := range []string{"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"} {
		if strings.HasPrefix(kubelet, reason) {
			return true
		}
	}
	return false
}

// mend is about a pull secret that the kubelet cannot read.
func (e *explainer) mend(s stuck, image ImageExplanation) Step {
	why := fmt.Sprintf("make the secret %s anew with `kubectl create secret docker-registry`, or take its name from the list of %s", image.Broken, s.made())
	if s.has.broken == "" {
		return e.restart(s, "a new pod does not name the pull secret "+image.Broken)
	}
	return Step{Why: why}
}

// step says what helps against one image.
func (e *explainer) step(s stuck, image ImageExplanation, repository string) []Step {
	var more []EntryExplanation // that a new pod has
	for _, entry := range s.has.entries(repository) {
		if !entry.Empty && !slices.Contains(s.pod.List, entry.Secret) {
			more = append(more, entry)
		}
	}
	lacks := missingFrom(s.pod, s.successor)
	switch {
	case s.has.broken != "":
		return []Step{{Why: "a new pod would name the secret " + s.has.broken + ", and the kubelet cannot read it: make it anew first"}}
	case len(more) > 0:
		return []Step{e.restart(s, fmt.Sprintf("a new pod names %s, which has an entry for %s", more[0].Secret, image.Image))}
	case len(image.Secrets) == 0 && len(s.has.unread) > 0 && len(lacks) > 0:
		return []Step{e.restart(s, "a new pod names "+strings.Join(lacks, ", ")+", which you may not read")}
	case otherCause(image.Kubelet.Text):
		return []Step{{Why: "what the kubelet says of " + image.Image + " is no matter of credentials: " + docsOfCauses}}
	case len(image.Secrets) > 0:
		return []Step{e.ask(image)}
	case image.ByNodes:
		return []Step{{Why: "the nodes log in to the registry of " + image.Image + " by themselves, as nodeCredentials of the policy says: see their credential provider"}}
	}
	return []Step{e.other(s, image)}
}

const docsOfCauses = "https://github.com/pullsecrets/pullsecrets/blob/main/docs/troubleshooting.md#what-the-kubelet-says"

// otherCause reports whether a kubelet names a cause that no credential helps against. What registries say of a repository that
// one may not see, such as 404, is none.
func otherCause(kubelet string) bool {
	kubelet = strings.ToLower(kubelet)
	for _, words := range []string{"x509", "no such host", "connection refused", "i/o timeout", "toomanyrequests", "429 too many", "no route to host", "http response to https client"} {
		if strings.Contains(kubelet, words) {
			return true
		}
	}
	return false
}

func missingFrom(pod, successor *PodExplanation) []string {
	return slices.DeleteFunc(slices.Clone(successor.List), func(name string) bool { return name == "" || slices.Contains(pod.List, name) })
}

// ask is about an image that the pod has an entry for, and that waits nevertheless.
func (e *explainer) ask(image ImageExplanation) Step {
	return Step{
		Why:     "the pod has an entry for " + image.Image + ": ask the registry whether it takes it",
		Command: command("pullsecrets check -n %s -image %s secret/%s", e.namespace, image.Image, image.Secrets[0]),
	}
}

// other is about an image for which a new pod would have no entry either.
func (e *explainer) other(s stuck, image ImageExplanation) Step {
	for _, o := range image.Elsewhere {
		if o.WhyNot == "" {
			return Step{Why: fmt.Sprintf("%s has an entry for %s (rule %s): %s", o.Secret, image.Image, o.Rule, e.whyPodLacks(s, o))}
		}
	}
	for _, o := range image.Elsewhere {
		return Step{Why: fmt.Sprintf("rule %s has a credential for %s: %s; ask whoever owns the policy", o.Rule, image.Image, o.WhyNot)}
	}
	switch {
	case image.Unknown:
		return Step{Why: "you may not read all of the pod's pull secrets: ask somebody who may, whether one is for " + image.Image}
	case e.policy == nil:
		return Step{Why: "no pull secret of the pod is for " + image.Image + ": ask whoever runs pullsecrets whether a rule has one"}
	case image.SourcesUnknown > 0:
		return Step{Why: fmt.Sprintf("no rule is known to have a credential for %s, and of %d sources it is not known here which registries they are for: ask whoever owns the policy",
			image.Image, image.SourcesUnknown)}
	}
	return Step{Why: "no rule has a credential for " + image.Image + ": ask whoever owns the policy to add one, if it is not public"}
}

// whyPodLacks says why a new pod would not name a copy that a rule brings to the namespace, or why the copy is of no use.
func (e *explainer) whyPodLacks(s stuck, o EntryExplanation) string {
	for _, c := range e.copies {
		if c.Name == o.Secret && slices.Contains(s.successor.List, c.Name) {
			return c.Text
		}
	}
	for _, n := range s.successor.Names {
		if n.Name == o.Secret {
			return n.Text
		}
	}
	switch {
	case s.account == nil:
		return "its service account " + s.pod.Account + " is not there, or you may not list it"
	case len(s.account.Notes) > 0:
		return strings.Join(s.account.Notes, "; ")
	}
	for _, r := range s.account.Rules {
		if r.Rule == o.Rule && r.WhyNot != "" {
			return fmt.Sprintf("the rule does not select the service account %s (%s): whoever owns the policy can add it, or name %s in imagePullSecrets of %s",
				s.pod.Account, r.WhyNot, o.Secret, s.made())
		}
	}
	return "a new pod does not name it: name it in imagePullSecrets of " + s.made()
}
