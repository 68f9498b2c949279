package cli

import (
	"fmt"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
)

// explanation words an explanation for people.
func explanation(e *inspect.Explanation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "namespace %s\n", e.Namespace)
	notes(&b, e.Notes)
	if len(e.Rules) == 0 && !e.PolicyUnknown {
		b.WriteString("  the policy has no rules\n")
	}
	rules(&b, e.Rules)
	if e.Workload != nil {
		explainWorkload(&b, e.Workload)
	}
	if e.Pod != nil {
		explainPod(&b, e.Pod)
	}
	for _, p := range e.Waiting {
		fmt.Fprintf(&b, "%s\n", podLine(p))
	}
	steps(&b, e.Do)
	for _, a := range e.Accounts {
		fmt.Fprintf(&b, "serviceaccount %s%s\n", a.Name, facts("list written", a.Written, a.Owners))
		notes(&b, a.Notes)
		rules(&b, a.Rules)
		names(&b, a.Names)
		told(&b, a.Status)
	}
	for _, c := range e.Copies {
		state := "absent"
		switch {
		case c.Exists:
			state = "there since " + c.Since
		case c.Unread:
			state = "not readable"
		}
		fmt.Fprintf(&b, "secret %s: %s%s\n", c.Name, state, facts("written", c.Written, c.Owners))
		switch {
		case c.Rule != "" && c.Source != "":
			fmt.Fprintf(&b, "  rule %s, from %s\n", c.Rule, c.Source)
		case c.Rule != "":
			fmt.Fprintf(&b, "  rule %s\n", c.Rule)
		}
		if c.Reason == "" {
			fmt.Fprintf(&b, "  %s\n", c.Text)
		} else {
			fmt.Fprintf(&b, "  %s: %s\n", c.Reason, c.Text)
		}
		told(&b, c.Status)
		for _, line := range c.Diff {
			fmt.Fprintf(&b, "    %s\n", line)
		}
		for _, warning := range c.Warnings {
			fmt.Fprintf(&b, "  warning: %s: %s\n", c.Source, warning)
		}
	}
	return b.String()
}

// explainWorkload says what a pod that a workload makes now has, and which of its pods wait.
func explainWorkload(b *strings.Builder, w *inspect.WorkloadExplanation) {
	fmt.Fprintf(b, "%s %s: a new pod has service account %s and %s\n", w.Kind, w.Name, w.New.Account, pullSecrets(w.New.List))
	notes(b, append(w.Notes, w.New.Notes...))
	names(b, w.New.Names)
	images(b, w.New.Images)
	waiting := 0
	for _, p := range w.Pods {
		if p.Waits != "" {
			waiting++
		}
	}
	if w.Total > 0 {
		fmt.Fprintf(b, "  it has %d pods now, of which %d of the %d that are looked at wait for an image\n", w.Total, waiting, len(w.Pods))
	}
	for _, p := range w.Pods {
		if p.Waits != "" || len(p.Lacks) > 0 {
			fmt.Fprintf(b, "  %s\n", podLine(p))
		}
	}
}

func podLine(p inspect.WaitingPod) string {
	text := "pod " + p.Name
	if p.Created != "" {
		text += ", created " + p.Created
	}
	if p.Waits != "" {
		text += fmt.Sprintf(": container %s waits for its image (%s)", p.Container, p.Waits)
	}
	if len(p.Lacks) > 0 {
		text += "; it lacks " + strings.Join(p.Lacks, ", ") + ", which a new one has"
	}
	return text
}

func pullSecrets(list []string) string {
	if len(list) == 0 {
		return "no pull secrets"
	}
	return "the pull secrets " + strings.Join(list, ", ")
}

func explainPod(b *strings.Builder, p *inspect.PodExplanation) {
	fmt.Fprintf(b, "pod %s: created %s, with service account %s and %s\n", p.Name, p.Created, p.Account, pullSecrets(p.List))
	notes(b, p.Notes)
	names(b, p.Names)
	for _, report := range p.Kubelet {
		fmt.Fprintf(b, "  the kubelet%s: %s\n", times(report), report.Text)
	}
	images(b, p.Images)
	explainEvict(b, p.Evict)
}

func images(b *strings.Builder, list []inspect.ImageExplanation) {
	for _, i := range list {
		of := "container " + i.Container
		if i.Volume != "" {
			of = "volume " + i.Volume
		}
		fmt.Fprintf(b, "  %s, image %s: %s\n", of, i.Image, i.Text)
		if i.Kubelet != nil {
			fmt.Fprintf(b, "    the kubelet%s: %s\n", times(*i.Kubelet), i.Kubelet.Text)
		}
	}
}

// steps says what to do. A command stands on a line of its own, to be copied.
func steps(b *strings.Builder, list []inspect.Step) {
	if len(list) > 0 {
		b.WriteString("what to do\n")
	}
	for _, step := range list {
		fmt.Fprintf(b, "  %s\n", step.Why)
		if step.Command != "" {
			fmt.Fprintf(b, "    %s\n", step.Command)
		}
	}
}

// explainEvict says whether evict would evict a pod. Whether it runs cannot be seen from here.
func explainEvict(b *strings.Builder, e *inspect.EvictExplanation) {
	switch {
	case e == nil:
	case e.Would:
		fmt.Fprintf(b, "  evict: would evict it, if it runs in this cluster: %s\n", e.Text)
	case e.Reason != "":
		fmt.Fprintf(b, "  evict: would leave it alone: %s: %s\n", e.Reason, e.Text)
	default:
		fmt.Fprintf(b, "  evict: %s\n", e.Text)
	}
}

// times says since when a kubelet says something.
func times(r inspect.KubeletReport) string {
	switch {
	case r.Last == "":
		return ""
	case r.First == "" || r.First == r.Last:
		return ", " + r.Last
	}
	return ", since " + r.First + ", last " + r.Last
}

// told says what the status knows of an object, where that is not said already.
func told(b *strings.Builder, list []string) {
	for _, text := range list {
		if !strings.Contains(b.String(), text) {
			fmt.Fprintf(b, "  status: %s\n", text)
		}
	}
}

func notes(b *strings.Builder, list []string) {
	for _, n := range list {
		fmt.Fprintf(b, "  note: %s\n", n)
	}
}

// shownWhyNot is of how many rules it is told why they do not select something: a policy may have hundreds.
const shownWhyNot = 20

func rules(b *strings.Builder, list []inspect.RuleExplanation) {
	whyNot := 0
	for _, r := range list {
		switch {
		case r.WhyNot == "" && r.Attach != "":
			fmt.Fprintf(b, "  rule %s: selects it; the API server adds its names to %s\n", r.Rule, r.Attach)
		case r.WhyNot == "":
			fmt.Fprintf(b, "  rule %s: selects it\n", r.Rule)
		default:
			if whyNot++; whyNot <= shownWhyNot {
				fmt.Fprintf(b, "  rule %s: does not select it: %s\n", r.Rule, r.WhyNot)
			}
		}
	}
	if more := whyNot - shownWhyNot; more > 0 {
		fmt.Fprintf(b, "  and %d more rules do not select it: -o json tells why\n", more)
	}
}

func names(b *strings.Builder, list []inspect.NameExplanation) {
	for _, n := range list {
		if n.Rule == "" {
			fmt.Fprintf(b, "  %s: %s\n", n.Name, n.Text)
			continue
		}
		fmt.Fprintf(b, "  %s (rule %s): %s\n", n.Name, n.Rule, n.Text)
	}
}

// facts says when we wrote an object, and who else owns the part of it that we care about.
func facts(what, written string, owners []string) string {
	text := ""
	if written != "" {
		text += fmt.Sprintf(", %s by pullsecrets %s", what, written)
	}
	if len(owners) > 0 {
		text += ", owned by " + strings.Join(owners, " and ")
	}
	return text
}
