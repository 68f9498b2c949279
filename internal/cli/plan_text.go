package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// shownNamespaces is how many namespaces one line of text names.
const shownNamespaces = 10

// planLine is one thing that happens, or does not, in one or many namespaces.
type planLine struct {
	rule   string
	verb   plan.Verb
	text   string // the same in all of them
	detail []string
	where  []string
	meant  bool // it does not happen, and the policy says that this is meant
}

// colours are empty where they would only be noise.
type colours struct{ green, yellow, red, bold, reset string }

func coloursFor(out io.Writer) colours {
	if !coloured(out) {
		return colours{}
	}
	return colours{green: "\x1b[32m", yellow: "\x1b[33m", red: "\x1b[31m", bold: "\x1b[1m", reset: "\x1b[0m"}
}

func (c colours) of(verb plan.Verb) string {
	switch verb {
	case plan.Create, plan.SetList:
		return c.green
	case plan.Update, plan.Replace, plan.Release:
		return c.yellow
	case plan.Delete:
		return c.red
	}
	return ""
}

// writePlan prints a preview for people: by rule, equal lines of many namespaces as one.
func writePlan(out io.Writer, v *inspect.Preview) error {
	w := &planWriter{out: out, colours: coloursFor(out)}
	lines := planLines(v)
	changes := lines.changes
	rule := "\x00"
	for _, l := range changes {
		if l.rule != rule {
			rule = l.rule
			w.printf("%s%s%s: %s\n", w.bold, ruleTitle(rule), w.reset, count(changes, rule))
		}
		w.printf("  %s%-8s%s %s: %s\n", w.colours.of(l.verb), l.verb, w.reset, l.text, where(l.where))
		for _, d := range l.detail {
			w.printf("             %s\n", d)
		}
	}
	w.notDone("not done", lines.problems)
	w.notDone("as the policy means it", lines.meant)
	for _, o := range v.Overlaps {
		w.printf("%swarning:%s rule %s, copy %s and rule %s, copy %s hold different credentials for %s: %s\n", w.yellow, w.reset,
			o.First.Rule, o.First.Copy, o.Second.Rule, o.Second.Copy, o.Registry, where(o.Namespaces))
	}
	for _, f := range v.Findings {
		w.printf("%swarning:%s source %s: %s (%s)\n", w.yellow, w.reset, f.Source, f.Text, f.Reason)
	}
	for _, f := range v.Failing {
		w.printf("%swarning:%s %s %s: %s: %s: %s (%s)\n", w.yellow, w.reset, strings.ToLower(f.Kind), f.Name, triedBefore, where(f.Namespaces), f.Detail, f.Reason)
	}
	if v.Held {
		w.printf("%sheld back:%s %d of %d copies and %d of %d references would be removed, more than -max-prune allows at once\n",
			w.red, w.reset, v.RemovedCopies, v.Copies, v.RemovedReferences, v.References)
	}
	w.printf("%s\n", total(changes))
	return w.err
}

// triedBefore is said of a change that the status tells of.
const triedBefore = "the controller has tried this and could not"

type planWriter struct {
	out io.Writer
	colours
	err error
}

func (w *planWriter) printf(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format, args...)
	}
}

// notDone prints what a rule asks for and what does not happen.
func (w *planWriter) notDone(title string, lines []planLine) {
	if len(lines) > 0 {
		w.printf("%s%s:%s\n", w.bold, title, w.reset)
	}
	for _, l := range lines {
		w.printf("  %s: %s\n", l.text, where(l.where))
		for _, d := range l.detail {
			w.printf("             %s\n", d)
		}
	}
}

// planLists are what a plan says, each list sorted by rule and then in the order of execution.
type planLists struct {
	changes, problems []planLine
	meant             []planLine // what a rule asks for and another has, because the policy says so
}

// planLines puts equal actions of several namespaces together.
func planLines(v *inspect.Preview) (out planLists) {
	at := map[string]*planLine{}
	var order []string
	for _, p := range v.Plans {
		for _, a := range p.Actions {
			if a.Verb == plan.None && !a.Reason.Problem() && a.Reason != plan.Overridden {
				continue
			}
			line := planLine{rule: a.Rule, verb: a.Verb, text: actionText(a), detail: a.Diff}
			if a.Verb == plan.None {
				line.detail = append([]string{a.Describe()}, a.Diff...)
				line.meant = a.Reason == plan.Overridden
			}
			key := fmt.Sprint(line.rule, "\x00", line.verb, "\x00", line.text, "\x00", strings.Join(line.detail, "\n"))
			if at[key] == nil {
				at[key] = &line
				order = append(order, key)
			}
			at[key].where = append(at[key].where, p.Namespace)
		}
	}
	for _, key := range order {
		switch l := *at[key]; {
		case l.meant:
			out.meant = append(out.meant, l)
		case l.verb == plan.None:
			out.problems = append(out.problems, l)
		default:
			out.changes = append(out.changes, l)
		}
	}
	for _, list := range [][]planLine{out.changes, out.problems, out.meant} {
		slices.SortStableFunc(list, compareLines)
	}
	return out
}

// compareLines sorts by rule, and then in the order in which verbs are executed.
func compareLines(a, b planLine) int {
	return cmp.Or(compareRules(a.rule, b.rule), cmp.Compare(slices.Index(verbs, a.verb), slices.Index(verbs, b.verb)))
}

// compareRules puts what no rule asks for last.
func compareRules(a, b string) int {
	if (a == "") != (b == "") {
		return cmp.Compare(len(b), len(a))
	}
	return strings.Compare(a, b)
}

func ruleTitle(rule string) string {
	if rule == "" {
		return "no longer asked for"
	}
	return "rule " + rule
}

func actionText(a plan.Action) string {
	text := strings.ToLower(string(a.Kind)) + " " + a.Name
	if l := a.List; l != nil {
		for _, name := range l.Added {
			text += " +" + name
		}
		for _, name := range l.Removed {
			text += " -" + name
		}
	}
	if a.Source.Name != "" {
		text += " from " + a.Source.String()
	}
	text += " (" + string(a.Reason)
	if a.Defect != "" {
		text += ", " + string(a.Defect)
	}
	text += ")"
	if a.Verb == plan.None {
		return ruleTitle(a.Rule) + ", " + text
	}
	return text
}

func where(namespaces []string) string {
	n := len(namespaces)
	if n <= shownNamespaces {
		return strings.Join(namespaces, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(namespaces[:shownNamespaces], ", "), n-shownNamespaces)
}

// count sums up what happens for a rule.
func count(lines []planLine, rule string) string {
	return total(slices.DeleteFunc(slices.Clone(lines), func(l planLine) bool { return l.rule != rule }))
}

// verbs are all that change something, in the order of execution.
var verbs = []plan.Verb{plan.SetList, plan.Release, plan.Create, plan.Update, plan.Replace, plan.Delete}

func total(lines []planLine) string {
	n := map[plan.Verb]int{}
	for _, l := range lines {
		n[l.verb] += len(l.where)
	}
	var parts []string
	for _, v := range verbs {
		if n[v] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", v, n[v]))
		}
	}
	if len(parts) == 0 {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}
