package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/pullsecrets/pullsecrets/internal/inspect/coverage"
)

// shownRows is how many rows of a table the text has. JSON has all.
const shownRows = 20

// writeCoverage prints a report for people: what needs somebody first.
func writeCoverage(out io.Writer, r *coverage.Report) error {
	w := &coverageWriter{planWriter: planWriter{out: out, colours: coloursFor(out)}}
	alarms := alarmsOf(r)
	colour := w.green
	if len(alarms) > 0 {
		colour = w.red
	}
	w.printf("%s%s%s %s\n", w.bold+colour, coverageVerdict(r), w.reset, coverageSummary(r))
	w.findings("needs somebody", alarms)
	w.registries(r.Registries)
	w.bare(bareImages(r))
	w.sources(r.Sources)
	w.findings("worth a look", noticesOf(r))
	w.unread(r.Unread)
	for _, n := range r.Notes {
		w.printf("\n%snote:%s %s\n", w.bold, w.reset, n)
	}
	return w.err
}

type coverageWriter struct{ planWriter }

func (w *coverageWriter) title(text string) { w.printf("\n%s%s%s\n", w.bold, text, w.reset) }

// more says what is left out.
func (w *coverageWriter) more(n int) {
	if n > shownRows {
		w.printf("  and %d more: -o json has all\n", n-shownRows)
	}
}

func (w *coverageWriter) findings(title string, list []coverage.Finding) {
	if len(list) == 0 {
		return
	}
	w.title(title)
	for _, f := range list[:min(len(list), shownRows)] {
		w.printf("  %s: %s\n", about(f), f.Kind)
		if f.Image != "" {
			w.printf("      %s, of %s\n", f.Image, f.Container)
		}
		w.printf("      %s", f.Text)
		if f.Workload == "" && len(f.Namespaces) > 0 {
			w.printf(" (%s)", where(f.Namespaces))
		}
		w.printf("\n")
		if f.Advice != "" {
			w.printf("      %sdo:%s %s\n", w.bold, w.reset, f.Advice)
		}
	}
	w.more(len(list))
}

// table prints rows in columns, the first row being their names.
func (w *coverageWriter) table(title string, rows [][]string) {
	if len(rows) < 2 {
		return
	}
	w.title(title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows[:min(len(rows), shownRows+1)] {
		fmt.Fprintf(t, "  %s\n", strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	if err := t.Flush(); w.err == nil {
		w.err = err
	}
	w.more(len(rows) - 1)
}

// Write is what a table is written by.
func (w *coverageWriter) Write(b []byte) (int, error) { return w.out.Write(b) }

func (w *coverageWriter) registries(list []coverage.Registry) {
	rows := [][]string{{"REGISTRY", "IMAGES", "NAMESPACES", "WAITING", "NO CREDENTIAL", "UNKNOWN", "COVERED", "BY NODES", "PUBLIC", "SOURCES"}}
	for _, r := range list {
		rows = append(rows, []string{r.Registry, dash(r.Images), dash(len(r.Namespaces)), dash(r.Waiting), dash(r.States[coverage.None]),
			dash(r.States[coverage.Unknown]), dash(r.States[coverage.Covered]), dash(r.States[coverage.Nodes]), dash(r.States[coverage.Public]),
			orDash(strings.Join(r.Sources, ", "))})
	}
	w.table("registries", rows)
}

func (w *coverageWriter) bare(list []bare) {
	rows := [][]string{{"IMAGE", "WORKLOADS", "NAMESPACES"}}
	for _, b := range list {
		rows = append(rows, []string{b.image, dash(len(b.workloads)), whereFew(b.namespaces)})
	}
	w.table("no credential, and nothing waits: these may be public", rows)
}

func (w *coverageWriter) sources(list []coverage.Source) {
	rows := [][]string{{"SOURCE", "STATUS", "RULES", "HELD IN", "USED IN", "IMAGES", "RUNS OUT", "REGISTRIES"}}
	for _, s := range list {
		rows = append(rows, []string{s.Source, s.Status, orDash(strings.Join(s.Rules, ", ")), counted(heldIn(s), "namespace"), counted(usedIn(s), "namespace"),
			dash(s.Images), orDash(day(s.Expires)), orDash(whereFew(s.Registries))})
	}
	w.table("credentials of the policy", rows)
}

func (w *coverageWriter) unread(list []coverage.Unread) {
	if len(list) == 0 {
		return
	}
	w.title("may not be read")
	for _, u := range list[:min(len(list), shownRows)] {
		w.printf("  %s: so it is not known %s\n", u.What, u.Text)
	}
	w.more(len(list))
}

func dash(n int) string { return orDash(strings.TrimPrefix(fmt.Sprint(n), "0")) }

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// whereFew is where for a cell of a table.
func whereFew(names []string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}
