package cli

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
)

// longestComment is what GitHub takes (65,536 characters), less what a script may add. GitLab takes more.
const longestComment = 60_000

// writePlanMarkdown writes a table for a comment on a merge request.
func writePlanMarkdown(out io.Writer, v *inspect.Preview) error {
	lines := planLines(v)
	changes := lines.changes
	c := &comment{}
	c.block("**pullsecrets:** %s\n", total(changes))
	if v.Held {
		c.block("\n**held back:** %d of %d copies and %d of %d references would be removed, more than `-max-prune` allows at once\n",
			v.RemovedCopies, v.Copies, v.RemovedReferences, v.References)
	}
	c.table(lines)
	for _, l := range changes {
		if len(l.detail) > 0 {
			c.block("\n%s in %s:\n\n```\n%s\n```\n", l.text, where(l.where), strings.Join(l.detail, "\n"))
		}
	}
	for _, o := range v.Overlaps {
		c.block("\n**warning:** the copies `%s` (rule %s) and `%s` (rule %s) hold different credentials for %s in %s\n",
			o.First.Copy, o.First.Rule, o.Second.Copy, o.Second.Rule, inert(o.Registry), where(o.Namespaces))
	}
	for _, f := range v.Findings {
		c.block("\n**warning:** source `%s`: %s (%s)\n", f.Source, inert(f.Text), f.Reason)
	}
	for _, f := range v.Failing {
		c.block("\n**warning:** %s `%s`: %s: %s: %s (%s)\n", strings.ToLower(f.Kind), f.Name, triedBefore, where(f.Namespaces), inert(f.Detail), f.Reason)
	}
	if c.left > 0 {
		fmt.Fprintf(&c.text, "\n**%s left out**, because a comment has an end: `pullsecrets plan` has all of it\n", counted(c.left, "part"))
	}
	_, err := io.WriteString(out, c.text.String())
	return err
}

// comment is made of parts, of which those are left out that would make it too long to be taken.
type comment struct {
	text strings.Builder
	left int
}

func (c *comment) block(format string, args ...any) {
	part := fmt.Sprintf(format, args...)
	if c.text.Len()+len(part) > longestComment {
		c.left++
		return
	}
	c.text.WriteString(part)
}

func (c *comment) table(lines planLists) {
	if len(lines.changes)+len(lines.problems)+len(lines.meant) > 0 {
		c.block("\n| rule | what | object | namespaces |\n| --- | --- | --- | --- |\n")
	}
	row := func(l planLine, what, object string) {
		rule := l.rule
		if rule == "" {
			rule = "(none)"
		}
		c.block("| %s | %s | %s | %s |\n", rule, what, cell(object), cell(fmt.Sprintf("%d: %s", len(l.where), where(l.where))))
	}
	for _, l := range lines.changes {
		row(l, string(l.verb), l.text)
	}
	for _, l := range lines.problems {
		row(l, "**not done**", l.text+": "+inert(strings.Join(l.detail, " ")))
	}
	for _, l := range lines.meant {
		row(l, "meant", l.text+": "+inert(strings.Join(l.detail, " ")))
	}
}

// cell keeps a text from ending its table cell.
func cell(text string) string { return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text) }

var (
	backticks = regexp.MustCompile("`+")
	markup    = regexp.MustCompile(`[^A-Za-z0-9 .,:;/()'"+=%-]|://|www\.`)
)

// inert has nothing in a text be a link, an image, a mention or HTML: a field manager, a registry or an admission webhook
// of a tenant may be called anything, and a project's own bot is who says it.
func inert(text string) string {
	if !markup.MatchString(text) {
		return text
	}
	longest := 0
	for _, run := range backticks.FindAllString(text, -1) {
		longest = max(longest, len(run))
	}
	fence := strings.Repeat("`", longest+1)
	text = strings.Join(strings.Fields(text), " ")
	if longest > 0 { // the spaces are not shown, and keep it apart from a backtick of the text
		text = " " + text + " "
	}
	return fence + text + fence
}
