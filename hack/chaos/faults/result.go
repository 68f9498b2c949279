// Package faults is a table of what pullsecrets survives: a row for each fault and what was going on meanwhile, each a test
// of its own. docs/reliability.md has what came of them.
package faults

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pullsecrets/pullsecrets/hack/chaos/table"
)

// result is what came of a row.
type result struct {
	Name       string   `json:"name"`
	Fault      string   `json:"fault"`
	During     string   `json:"during"`
	Namespaces int      `json:"namespaces"`
	Lasted     float64  `json:"lasted"`    // seconds
	Right      float64  `json:"right"`     // seconds from its end until all was right; 0 if it was right before
	Told       float64  `json:"told"`      // seconds from its end until the status said so
	Writes     int      `json:"writes"`    // that the API server accepted from the program
	Unchanged  int      `json:"unchanged"` // those of them that changed nothing
	Refused    int      `json:"refused"`   // that the API server itself refused
	Requests   int      `json:"requests"`  // of every sort
	Others     int      `json:"others"`    // writes of somebody else meanwhile
	Lost       int      `json:"lost"`      // of others
	Twice      int      `json:"twice"`     // copies made anew without need
	Lines      int      `json:"lines"`     // of the log, but for those that tell of a write that was carried out
	Repeated   int      `json:"repeated"`  // how often the most frequent of them came, of one object
	Most       string   `json:"most"`      // its words
	States     []string `json:"states"`    // of the policy, one after the other, with the reasons that they named
}

// vain is how many writes were in vain.
func (r result) vain() int { return r.Unchanged + r.Refused }

const key = "faults"

// merge puts a newer result in the place of the older one, in the order of the names, and leaves out what is no row.
func merge(old []result, newer result, names []string) []result {
	old = slices.DeleteFunc(slices.Clone(old), func(r result) bool { return r.Name == newer.Name })
	old = append(old, newer)
	place := func(r result) int { return slices.Index(names, r.Name) }
	old = slices.DeleteFunc(old, func(r result) bool { return place(r) < 0 })
	slices.SortStableFunc(old, func(a, b result) int { return place(a) - place(b) })
	return old
}

var head = []string{"fault", "meanwhile", "lasted, s", "right again after, s", "writes", "in vain", "lost", "twice", "log: lines, most of one", "status", "row"}

// render is the table of the page.
func render(all []result) string {
	var rows [][]string
	for _, r := range all {
		rows = append(rows, []string{
			r.Fault, r.During, fmt.Sprintf("%.0f", r.Lasted), right(r), fmt.Sprint(r.Writes), fmt.Sprint(r.vain()), fmt.Sprint(r.Lost), fmt.Sprint(r.Twice),
			fmt.Sprintf("%d, %d", r.Lines, r.Repeated), status(r), "`" + r.Name + "`",
		})
	}
	return table.Markdown(head, rows)
}

func right(r result) string {
	if r.Right == 0 {
		return "at once"
	}
	return fmt.Sprintf("%.1f", r.Right)
}

// status is what the policy's status said, without saying twice what it said before, and what it said last.
func status(r result) string {
	var said []string
	for i, state := range r.States {
		if i == len(r.States)-1 || !slices.Contains(said, state) {
			said = append(said, state)
		}
	}
	return strings.Join(said, ", then ")
}

// sumUp is what the page says before the table.
func sumUp(all []result) string {
	var lost, twice, unchanged, refused, writes, repeated int
	var slowest result
	during := map[string]int{}
	for _, r := range all {
		lost, twice, unchanged, refused, writes = lost+r.Lost, twice+r.Twice, unchanged+r.Unchanged, refused+r.Refused, writes+r.Writes
		repeated = max(repeated, r.Repeated)
		during[r.During]++
		if r.Right > slowest.Right {
			slowest = r
		}
	}
	var sorts []string
	for _, a := range activities {
		if during[a.name] > 0 {
			sorts = append(sorts, fmt.Sprintf("%s %d", a.name, during[a.name]))
		}
	}
	return fmt.Sprintf(`- **%d rows** (%s): **%d things of others lost, %d copies made anew without need.**
- Right again after %.1f s at the longest (%s, %s).
- Of %d writes that the API server accepted, %d changed nothing; it refused another %d.
- No line of the log came more than %d times about one object in any row.
`, len(all), strings.Join(sorts, ", "), lost, twice, slowest.Right, slowest.Fault, slowest.During, writes, unchanged, refused, repeated)
}
