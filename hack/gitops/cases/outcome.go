package cases

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the outcomes into docs/gitops.md")

const page = "/docs/gitops.md"

// Outcome is what came of a case.
type Outcome struct {
	Drift  string // what the tool shows as different once all is done: "none", or kinds
	Writes string // by anybody, in each further pass of the tool
	Owner  string // of the account's list; of the copies, where the case is about them
	Lost   string
}

// The words that are asserted.
const (
	none      = "none"
	each      = "each pass"
	some      = "some passes"
	refused   = "refused"    // as drift: the tool fails, as others own the list
	notNeeded = "not needed" // as drift: there is nothing to remedy
	nothing   = "nothing"
	ours      = "our names, until the controller's next write"
)

// row is a case of a tool without and with admission.
type row struct {
	tool, name    string
	without, with Outcome
}

// Outcomes are all that a test has seen, in the order of the table.
type Outcomes struct {
	rows   []*row
	untold int // stories that did not end
}

func (o *Outcomes) add(tool, name string, admission bool, got Outcome) {
	i := slices.IndexFunc(o.rows, func(r *row) bool { return r.tool == tool && r.name == name })
	if i < 0 {
		i = len(o.rows)
		o.rows = append(o.rows, &row{tool: tool, name: name})
	}
	if admission {
		o.rows[i].with = got
	} else {
		o.rows[i].without = got
	}
}

// legend says what the table's words mean. It is asserted where the words are, in steady and settled.
const legend = `Quiet means that in five further passes the tool shows no drift (for Helm: the next upgrade would change nothing), that
nobody writes a namespace, account, secret or ConfigMap, and that in the whole case nothing was lost, not for a moment: no
entry of a list and no copy. Also where two fight, entries of others and copies stay. In every case the copies are owned
by ` + "`pullsecrets`" + ` alone.
`

// table is Markdown. Cases that follow each other and end alike share a row.
func (o *Outcomes) table() string {
	var b strings.Builder
	b.WriteString(legend + "\n| tool | case | without admission | owner of the list | with admission | owner of the list |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- |\n")
	for i := 0; i < len(o.rows); {
		first, names := o.rows[i], []string{}
		for ; i < len(o.rows) && o.rows[i].like(first); i++ {
			names = append(names, o.rows[i].name)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", first.tool, strings.Join(names, "; "),
			first.without.words(), first.without.Owner, first.with.words(), first.with.Owner)
	}
	return b.String()
}

func (r *row) like(other *row) bool {
	return r.tool == other.tool && r.without == other.without && r.with == other.with
}

func (o Outcome) words() string {
	switch {
	case o.Drift == notNeeded:
		return notNeeded
	case o.Drift == refused:
		return "each pass is refused: others own the list"
	case o.Drift == none && o.Writes == none && o.Lost == nothing:
		return "quiet"
	case o.Writes == none && o.Lost == nothing:
		return "never in sync: shows " + o.Drift + " as different and applies it in each pass, which changes nothing"
	}
	return "a fight: shows " + o.Drift + " as different; written in " + o.Writes + "; loses " + o.Lost
}

// CheckPage holds a block of docs/gitops.md to the outcomes, or writes it with -update.
func (o *Outcomes) CheckPage(t *testing.T, block string) {
	t.Helper()
	if o.untold > 0 {
		return // some failed, or were not run
	}
	path := root(t) + page
	text, err := os.ReadFile(path)
	must(t, err)
	begin, end := "<!-- begin outcomes "+block+" -->\n", "<!-- end outcomes "+block+" -->"
	head, rest, ok1 := strings.Cut(string(text), begin)
	old, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no block %q", page, block)
	}
	got := "\n" + o.table() + "\n"
	if *update {
		must(t, os.WriteFile(path, []byte(head+begin+got+end+tail), 0o644))
		return
	}
	if diff := cmp.Diff(strings.Split(old, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s is stale, run the tests with -update (-file +outcome):\n%s", page, diff)
	}
}
