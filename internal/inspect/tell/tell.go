// Package tell words what inspect found for people, as lines: a terminal shows them indented, and a page as it likes.
package tell

import (
	"fmt"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
)

// Kind says what a line is, for whoever shows it in another way than as text.
type Kind string

// The kinds. Most lines have none.
const (
	Title   Kind = "title"   // names what the lines after it are about
	Note    Kind = "note"    // holds for all of it
	Command Kind = "command" // to be copied
	Diff    Kind = "diff"
	Warning Kind = "warning"
)

// ToDo is the head of the title before what to do.
const ToDo = "what to do"

// Line is one line of an explanation.
type Line struct {
	Kind  Kind
	Depth int    // how far it is indented; a title is not
	Head  string // of a title: what kind of object it names
	Text  string
}

// String is the line as text shows it, without its end.
func (l Line) String() string {
	return strings.Repeat("  ", l.Depth) + strings.TrimSpace(l.Head+" "+l.Text)
}

// Text words an explanation for a terminal.
func Text(e *inspect.Explanation) string {
	var b strings.Builder
	for _, line := range Explanation(e) {
		fmt.Fprintln(&b, line)
	}
	return b.String()
}

type lines []Line

func (l *lines) title(head, format string, args ...any) {
	*l = append(*l, Line{Kind: Title, Head: head, Text: fmt.Sprintf(format, args...)})
}

func (l *lines) add(kind Kind, depth int, format string, args ...any) {
	*l = append(*l, Line{Kind: kind, Depth: depth, Text: fmt.Sprintf(format, args...)})
}

func (l *lines) say(format string, args ...any) { l.add("", 1, format, args...) }

// Explanation words an explanation.
func Explanation(e *inspect.Explanation) []Line {
	var b lines
	b.title("namespace", "%s", e.Namespace)
	b.notes(e.Notes)
	if len(e.Rules) == 0 && !e.PolicyUnknown {
		b.say("the policy has no rules")
	}
	b.rules(e.Rules)
	if e.Workload != nil {
		b.workload(e.Workload)
	}
	if e.Pod != nil {
		b.pod(e.Pod)
	}
	for _, p := range e.Waiting {
		b.title("pod", "%s", podText(p))
	}
	b.steps(e.Do)
	for _, a := range e.Accounts {
		b.title("serviceaccount", "%s%s", a.Name, facts("list written", a.Written, a.Owners))
		b.notes(a.Notes)
		b.rules(a.Rules)
		b.names(a.Names)
		b.told(a.Status)
	}
	for _, c := range e.Copies {
		b.copied(c)
	}
	return b
}

func (l *lines) copied(c inspect.CopyExplanation) {
	state := "absent"
	switch {
	case c.Exists:
		state = "there since " + c.Since
	case c.Unread:
		state = "not readable"
	}
	l.title("secret", "%s: %s%s", c.Name, state, facts("written", c.Written, c.Owners))
	switch {
	case c.Rule != "" && c.Source != "":
		l.say("rule %s, from %s", c.Rule, c.Source)
	case c.Rule != "":
		l.say("rule %s", c.Rule)
	}
	if c.Reason == "" {
		l.say("%s", c.Text)
	} else {
		l.say("%s: %s", c.Reason, c.Text)
	}
	l.told(c.Status)
	for _, line := range c.Diff {
		l.add(Diff, 2, "%s", line)
	}
	for _, warning := range c.Warnings {
		l.add(Warning, 1, "warning: %s: %s", c.Source, warning)
	}
}

// workload says what a pod that a workload makes now has, and which of its pods wait.
func (l *lines) workload(w *inspect.WorkloadExplanation) {
	l.title(w.Kind, "%s: a new pod has service account %s and %s", w.Name, w.New.Account, pullSecrets(w.New.List))
	l.notes(append(w.Notes, w.New.Notes...))
	l.names(w.New.Names)
	l.images(w.New.Images)
	waiting := 0
	for _, p := range w.Pods {
		if p.Waits != "" {
			waiting++
		}
	}
	if w.Total > 0 {
		l.say("it has %d pods now, of which %d of the %d that are looked at wait for an image", w.Total, waiting, len(w.Pods))
	}
	for _, p := range w.Pods {
		if p.Waits != "" || len(p.Lacks) > 0 {
			l.say("pod %s", podText(p))
		}
	}
}

func podText(p inspect.WaitingPod) string {
	text := p.Name
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

func (l *lines) pod(p *inspect.PodExplanation) {
	l.title("pod", "%s: created %s, with service account %s and %s", p.Name, p.Created, p.Account, pullSecrets(p.List))
	l.notes(p.Notes)
	l.names(p.Names)
	for _, report := range p.Kubelet {
		l.say("the kubelet%s: %s", times(report), report.Text)
	}
	l.images(p.Images)
	l.evict(p.Evict)
}

func (l *lines) images(list []inspect.ImageExplanation) {
	for _, i := range list {
		of := "container " + i.Container
		if i.Volume != "" {
			of = "volume " + i.Volume
		}
		l.say("%s, image %s: %s", of, i.Image, i.Text)
		if i.Kubelet != nil {
			l.add("", 2, "the kubelet%s: %s", times(*i.Kubelet), i.Kubelet.Text)
		}
	}
}

// steps says what to do. A command is a line of its own, to be copied.
func (l *lines) steps(list []inspect.Step) {
	if len(list) > 0 {
		l.title(ToDo, "")
	}
	for _, step := range list {
		l.say("%s", step.Why)
		if step.Command != "" {
			l.add(Command, 2, "%s", step.Command)
		}
	}
}

// evict says whether evict would evict a pod. Whether it runs cannot be seen from here.
func (l *lines) evict(e *inspect.EvictExplanation) {
	switch {
	case e == nil:
	case e.Would:
		l.say("evict: would evict it, if it runs in this cluster: %s", e.Text)
	case e.Reason != "":
		l.say("evict: would leave it alone: %s: %s", e.Reason, e.Text)
	default:
		l.say("evict: %s", e.Text)
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
func (l *lines) told(list []string) {
	for _, text := range list {
		if !l.has(text) {
			l.say("status: %s", text)
		}
	}
}

func (l *lines) has(text string) bool {
	for _, line := range *l {
		if strings.Contains(line.String(), text) {
			return true
		}
	}
	return false
}

func (l *lines) notes(list []string) {
	for _, n := range list {
		l.add(Note, 1, "note: %s", n)
	}
}

// shownWhyNot is of how many rules it is told why they do not select something: a policy may have hundreds.
const shownWhyNot = 20

func (l *lines) rules(list []inspect.RuleExplanation) {
	whyNot := 0
	for _, r := range list {
		switch {
		case r.WhyNot == "" && r.Attach != "":
			l.say("rule %s: selects it; the API server adds its names to %s", r.Rule, r.Attach)
		case r.WhyNot == "":
			l.say("rule %s: selects it", r.Rule)
		default:
			if whyNot++; whyNot <= shownWhyNot {
				l.say("rule %s: does not select it: %s", r.Rule, r.WhyNot)
			}
		}
	}
	if more := whyNot - shownWhyNot; more > 0 {
		l.say("and %d more rules do not select it: -o json tells why", more)
	}
}

func (l *lines) names(list []inspect.NameExplanation) {
	for _, n := range list {
		if n.Rule == "" {
			l.say("%s: %s", n.Name, n.Text)
			continue
		}
		l.say("%s (rule %s): %s", n.Name, n.Rule, n.Text)
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
