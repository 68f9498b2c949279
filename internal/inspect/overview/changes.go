package overview

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// Changes says what is other than before, a line each: the state first. before may be nil.
func (o *Overview) Changes(before *Overview) (lines []string) {
	if before == nil {
		return []string{fmt.Sprintf("state %s: %s", o.State, o.Message)}
	}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	switch {
	case o.State != before.State:
		add("state %s, was %s: %s", o.State, before.State, o.Message)
	case o.Message != before.Message:
		add("state %s: %s", o.State, o.Message)
	}
	if o.Revision != before.Revision {
		add("revision %s, was %s", named(o.Revision), named(before.Revision))
	}
	if o.InForce != before.InForce {
		add("in force %s, was %s", named(o.InForce), named(before.InForce))
	}
	if (o.Held == nil) != (before.Held == nil) {
		if o.Held == nil {
			add("nothing is held back any more")
		} else {
			add("held back: %d copies and names in %d service accounts; to remove them: %s", o.Held.Copies, o.Held.ServiceAccounts, o.Held.Confirm+o.Held.Why)
		}
	}
	compareAll(byRule(before), byRule(o), func(name, was, is string) { add("rule %s: %s, was %s", name, named(is), named(was)) })
	compareAll(bySource(before), bySource(o), func(name, was, is string) { add("source %s: %s, was %s", name, named(is), named(was)) })
	compareAll(byProblem(before), byProblem(o), func(name, was, is string) {
		switch {
		case was == "":
			add("problem %s: %s", name, is)
		case is == "":
			add("no longer a problem %s", name)
		default:
			add("problem %s: %s, was %s", name, is, was)
		}
	})
	return lines
}

func named(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// described are things by what they are called, with what is said of them, in order.
type described struct {
	names []string
	texts map[string]string
}

func (d *described) add(name, text string) {
	if d.texts == nil {
		d.texts = map[string]string{}
	}
	if _, known := d.texts[name]; !known {
		d.names = append(d.names, name)
	}
	d.texts[name] = text
}

// compareAll calls each with what is other than before; "" for what is not there.
func compareAll(before, after described, each func(name, was, is string)) {
	for _, name := range after.names {
		if before.texts[name] != after.texts[name] {
			each(name, before.texts[name], after.texts[name])
		}
	}
	for _, name := range before.names {
		if _, still := after.texts[name]; !still {
			each(name, before.texts[name], "")
		}
	}
}

func byRule(o *Overview) (d described) {
	for _, r := range o.Rules {
		text := fmt.Sprintf("%d namespaces, %d copies, %d service accounts", r.Namespaces, r.Copies, r.ServiceAccounts)
		if r.Missing > 0 {
			text += fmt.Sprintf(", %d copies missing", r.Missing)
		}
		if r.Unsynced > 0 {
			text += fmt.Sprintf(", %d namespaces unsynced, the first %s since %s", r.Unsynced, r.OldestNamespace, r.OldestUnsynced)
		}
		d.add(r.Name, text)
	}
	return d
}

func bySource(o *Overview) (d described) {
	for _, s := range o.Sources {
		text := string(s.State)
		if s.LastChange != "" {
			text += ", changed " + s.LastChange
		}
		if s.Expires != "" {
			text += ", expires " + s.Expires
		}
		if s.Verdict != "" {
			text += ", registries: " + s.Verdict
		}
		d.add(s.Source, text)
	}
	return d
}

func byProblem(o *Overview) (d described) {
	for _, g := range o.Problems {
		for _, p := range g.Problems {
			d.add(fmt.Sprintf("%s: %s: %s", p.Reason, Object(p.Problem), p.Detail), whereOf(p))
		}
	}
	return d
}

// whereOf names the first namespaces of a problem.
func whereOf(p status.FullProblem) string {
	const few = 10
	n := len(p.Namespaces) + max(0, p.More)
	if n == 0 {
		return "of no namespace"
	}
	text := "in " + strings.Join(p.Namespaces[:min(len(p.Namespaces), few)], ", ")
	if more := n - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// Object names what a problem is about.
func Object(p status.Problem) string {
	parts := []string{}
	if p.Rule != "" {
		parts = append(parts, "rule "+p.Rule)
	}
	if p.Rule == "" && p.Source != "" {
		parts = append(parts, "source "+p.Source)
	} else {
		parts = append(parts, p.Kind+" "+p.Name)
		if p.Source != "" {
			parts = append(parts, "from "+p.Source)
		}
	}
	return strings.Join(slices.Compact(parts), ", ")
}
