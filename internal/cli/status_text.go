package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/pullsecrets/pullsecrets/internal/inspect/overview"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// writeStatus prints how an installation stands for people. all has nothing left out.
func writeStatus(out io.Writer, o *overview.Overview, all bool, now time.Time) error {
	w := &statusWriter{coverageWriter: coverageWriter{planWriter{out: out, colours: coloursFor(out)}}, all: all, now: now}
	w.state(o)
	w.rules(o)
	w.sources(o)
	w.held(o.Held)
	w.problems("problems of the policy", o.Problems, overview.OfPolicy)
	w.problems("problems of namespaces", o.Problems, overview.OfNamespace)
	w.problems("problems", o.Problems, "") // of a status of an earlier version
	if len(o.Notes) > 0 {
		w.printf("\n")
	}
	for _, n := range o.Notes {
		w.printf("%snote:%s %s\n", w.bold, w.reset, n)
	}
	if w.cut {
		w.printf("\nSome of it is left out: -all prints everything, and so does -o json.\n")
	}
	return w.err
}

type statusWriter struct {
	coverageWriter
	all bool // nothing is left out
	cut bool // something was
	now time.Time
}

func (w *statusWriter) state(o *overview.Overview) {
	colour := w.yellow
	switch o.State {
	case overview.Ready:
		colour = w.green
	case overview.Degraded, overview.Invalid:
		colour = w.red
	}
	w.printf("%s%s%s%s %s/%s", w.bold, colour, o.State, w.reset, o.Namespace, o.Policy)
	if o.Revision != "" {
		w.printf(", revision %s", o.Revision)
		if o.ObservedRevision != o.Revision {
			w.printf(" (the one judged last: %s)", orDash(o.ObservedRevision))
		}
	}
	if !o.Judged && o.Edited != "" {
		w.printf(", edited %s ago", w.age(o.Edited))
	}
	w.printf(": %s\n", o.Message)
	if o.Namespaces > 0 {
		w.printf("%s in the cluster", counted(o.Namespaces, "namespace"))
		if o.Selected > 0 { // an earlier version does not tell
			w.printf(", %d selected, %d with problems of their own", o.Selected, o.Failing)
		}
		w.printf("; %s have names\n", counted(o.ServiceAccounts, "service account"))
	}
	if unjudged := !o.Judged && o.Text != "" && w.longAgo(o.Edited); unjudged {
		w.printf("The text was edited more than a minute ago, and a controller judges it within seconds: see whether one runs.\n")
	}
}

// rows prints a table, the first row being the names of its columns.
func (w *statusWriter) rows(rows [][]string) {
	if len(rows) < 2 {
		return
	}
	n := len(rows)
	if !w.all {
		n = min(n, shownRows+1)
	}
	w.printf("\n")
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, row := range rows[:n] {
		fmt.Fprintln(t, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	if err := t.Flush(); w.err == nil {
		w.err = err
	}
	if more := len(rows) - n; more > 0 {
		w.cut = true
		w.printf("and %d more\n", more)
	}
}

func (w *statusWriter) rules(o *overview.Overview) {
	rows := [][]string{{"RULE", "NAMESPACES", "COPIES", "MISSING", "ACCOUNTS", "UNSYNCED", "OLDEST"}}
	for _, r := range o.Rules {
		oldest := ""
		if r.OldestNamespace != "" {
			oldest = fmt.Sprintf("%s, %s", r.OldestNamespace, w.age(r.OldestUnsynced))
		}
		rows = append(rows, []string{r.Name, fmt.Sprint(r.Namespaces), fmt.Sprint(r.Copies), dash(r.Missing), fmt.Sprint(r.ServiceAccounts), dash(r.Unsynced), orDash(oldest)})
	}
	w.rows(rows)
}

func (w *statusWriter) sources(o *overview.Overview) {
	rows := [][]string{{"SOURCE", "STATE", "CHANGED", "EXPIRES", "REGISTRIES"}}
	var findings []string
	for _, s := range o.Sources {
		changed := ""
		if s.LastChange != "" {
			changed = w.age(s.LastChange) + " ago"
		}
		state := orDash(string(s.State))
		if s.Verdict != "" {
			state += ", " + s.Verdict
		}
		rows = append(rows, []string{s.Source, state, orDash(changed), orDash(w.expiry(s.Expires)), orDash(whereFew(s.Registries))})
		for _, f := range s.Findings {
			findings = append(findings, fmt.Sprintf("source %s: %s (%s)", s.Source, f.Message, f.Reason))
		}
	}
	w.rows(rows)
	for _, text := range w.some(findings) {
		w.printf("%s\n", text)
	}
}

// some are the first lines, unless all are wanted.
func (w *statusWriter) some(lines []string) []string {
	if more := len(lines) - shownRows; more > 0 && !w.all {
		w.cut = true
		return append(lines[:shownRows:shownRows], fmt.Sprintf("and %d more", more))
	}
	return lines
}

func (w *statusWriter) held(h *overview.Held) {
	if h == nil {
		return
	}
	w.printf("\n%sheld back:%s %s and the names in %s, in %s, because too much would be removed at once\n", w.bold+w.red, w.reset,
		countedCopies(h.Copies), counted(h.ServiceAccounts, "service account"), counted(h.Namespaces, "namespace"))
	if h.Confirm == "" {
		w.printf("  %s\n", h.Why)
		return
	}
	w.printf("  to have them removed:\n    %s\n", h.Confirm)
}

func countedCopies(n int) string {
	if n == 1 {
		return "1 copy"
	}
	return fmt.Sprintf("%d copies", n)
}

// problems prints the groups of a scope. Problems that say the same stand together.
func (w *statusWriter) problems(title string, groups []overview.Group, scope string) {
	for _, g := range groups {
		known := g.Scope == overview.OfPolicy || g.Scope == overview.OfNamespace
		if g.Scope != scope && (known || scope != "") {
			continue
		}
		if title != "" {
			w.printf("\n%s%s%s\n", w.bold, title, w.reset)
			title = ""
		}
		w.group(g)
	}
}

func (w *statusWriter) group(g overview.Group) {
	in := ""
	if g.Namespaces > 0 {
		in = ", in " + counted(g.Namespaces, "namespace")
	}
	w.printf("  %s%s%s%s\n", w.bold, g.Reason, w.reset, in)
	said := ""
	for _, p := range g.Problems {
		said += p.Detail + "\n"
	}
	if g.Means != "" && !strings.Contains(said, g.Means) {
		w.printf("    %s\n", g.Means)
	}
	if held := g.Reason == string(plan.PruneHeld); g.Do != "" && !held && !strings.Contains(said, g.Do) { // the command stands above
		w.printf("    %sdo:%s %s\n", w.bold, w.reset, g.Do)
	}
	n := len(g.Problems)
	if !w.all {
		n = min(n, shownRows)
	}
	detail := ""
	for _, p := range g.Problems[:n] {
		if p.Detail != detail {
			detail = p.Detail
			w.printf("    %s\n", detail)
		}
		w.printf("      %s", overview.Object(p.Problem))
		if len(p.Namespaces) > 0 {
			w.printf(": %s", w.where(p.Namespaces, p.More))
		}
		w.printf("\n")
	}
	if more := len(g.Problems) - n; more > 0 {
		w.cut = true
		w.printf("    and %d more\n", more)
	}
}

// where names namespaces, of which there are more that are not known.
func (w *statusWriter) where(namespaces []string, more int) string {
	n := len(namespaces)
	if !w.all {
		n = min(n, shownNamespaces)
	}
	text := strings.Join(namespaces[:n], ", ")
	if w.cut = w.cut || n < len(namespaces); len(namespaces)-n+more > 0 {
		text += fmt.Sprintf(" and %d more", len(namespaces)-n+more)
	}
	return text
}

// age is how long ago a time was.
func (w *statusWriter) age(text string) string {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text
	}
	return duration.HumanDuration(max(0, w.now.Sub(at)))
}

func (w *statusWriter) longAgo(text string) bool {
	at, err := time.Parse(time.RFC3339, text)
	return err == nil && w.now.Sub(at) > time.Minute
}

func (w *statusWriter) expiry(text string) string {
	at, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return text
	case at.Before(w.now):
		return fmt.Sprintf("%s ago, %s", duration.HumanDuration(w.now.Sub(at)), cmp.Or(day(text), text))
	}
	return fmt.Sprintf("in %s, %s", duration.HumanDuration(at.Sub(w.now)), cmp.Or(day(text), text))
}
