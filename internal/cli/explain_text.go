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
	if len(e.Rules) == 0 {
		b.WriteString("  the policy has no rules\n")
	}
	rules(&b, e.Rules)
	if e.Pod != nil {
		explainPod(&b, e.Pod)
	}
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
		if c.Rule != "" {
			fmt.Fprintf(&b, "  rule %s, from %s\n", c.Rule, c.Source)
		}
		fmt.Fprintf(&b, "  %s: %s\n", c.Reason, c.Text)
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

func explainPod(b *strings.Builder, p *inspect.PodExplanation) {
	has := "no pull secrets"
	if len(p.List) > 0 {
		has = "the pull secrets " + strings.Join(p.List, ", ")
	}
	fmt.Fprintf(b, "pod %s: created %s, with service account %s and %s\n", p.Name, p.Created, p.Account, has)
	notes(b, p.Notes)
	names(b, p.Names)
	for _, report := range p.Kubelet {
		fmt.Fprintf(b, "  the kubelet%s: %s\n", times(report), report.Text)
	}
	for _, i := range p.Images {
		fmt.Fprintf(b, "  container %s, image %s: %s\n", i.Container, i.Image, i.Text)
		if i.Kubelet != nil {
			fmt.Fprintf(b, "    the kubelet%s: %s\n", times(*i.Kubelet), i.Kubelet.Text)
		}
	}
	explainEvict(b, p.Evict)
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

func rules(b *strings.Builder, list []inspect.RuleExplanation) {
	for _, r := range list {
		if r.WhyNot == "" && r.Attach != "" {
			fmt.Fprintf(b, "  rule %s: selects it; the API server adds its names to %s\n", r.Rule, r.Attach)
			continue
		}
		if r.WhyNot == "" {
			fmt.Fprintf(b, "  rule %s: selects it\n", r.Rule)
			continue
		}
		fmt.Fprintf(b, "  rule %s: does not select it: %s\n", r.Rule, r.WhyNot)
	}
}

func names(b *strings.Builder, list []inspect.NameExplanation) {
	for _, n := range list {
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
