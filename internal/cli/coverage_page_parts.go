package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/inspect/coverage"
	"github.com/pullsecrets/pullsecrets/internal/page"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// look is how a state shows.
type look = page.Look

// looks are those of images, what needs somebody first.
var looks = []look{
	{Class: "alarm", Symbol: "▲", Words: "needs somebody"},
	{Class: "none", Symbol: "✕", Words: "no credential"},
	{Class: "invalid", Symbol: "!", Words: "no reference of an image"},
	{Class: "unknown", Symbol: "?", Words: "not known"},
	{Class: "covered", Symbol: "●", Words: "a pull secret has an entry"},
	{Class: "nodes", Symbol: "◆", Words: "left to the nodes"},
	{Class: "public", Symbol: "○", Words: "public, no credential"},
}

// rankOf is a place in looks, counted from the end, so that what is worse is more; 0 is nothing.
func rankOf(class string) int {
	return len(looks) - slices.IndexFunc(looks, func(l look) bool { return l.Class == class })
}

func lookOf(class string) look { return looks[len(looks)-rankOf(class)] }

// alarmed are the images that an alarm is about.
type alarmed map[[4]string]bool

func newAlarmed(r *coverage.Report) alarmed {
	a := alarmed{}
	for _, f := range r.Findings {
		if f.Alarm && f.Image != "" {
			a[[4]string{f.Namespace, f.Workload, f.Container, f.Image}] = true
		}
	}
	return a
}

// class is how an image shows: as an alarm, or else by its state.
func (a alarmed) class(i coverage.Image) string {
	if a[[4]string{i.Namespace, i.Workload, i.Container, i.Image}] {
		return "alarm"
	}
	return string(i.State)
}

// barPart is a state's part of all images; X and Width are of 1000.
type barPart struct {
	look
	X, Width float64
	Count    int
}

func barOf(r *coverage.Report, a alarmed) (parts []barPart) {
	counts := map[string]int{}
	for _, i := range r.Images {
		counts[a.class(i)]++
	}
	at := 0.0
	for _, l := range looks {
		if n := counts[l.Class]; n > 0 {
			width := 1000 * float64(n) / float64(len(r.Images))
			parts = append(parts, barPart{look: l, X: at, Width: width, Count: n})
			at += width
		}
	}
	return parts
}

// kindWords name findings for people. Others about sources have the name of their reason.
var kindWords = map[coverage.Kind]string{
	coverage.BrokenSecret: "Broken pull secret",
	coverage.NoCredential: "No credential", coverage.CreatedTooEarly: "Made too early", coverage.ListHides: "Hidden by its own list",
	coverage.CredentialExpired: "Has run out", coverage.PullFails: "Pull fails", coverage.SourceUnusable: "Source of no use", coverage.Pending: "About to come",
	coverage.Lapsing: "About to go", coverage.InvalidImage: "No image", coverage.RegistryUncovered: "Nothing covers it",
	coverage.SourceUnused: "Nobody uses it", coverage.CopyUnused: "Held without use",
	coverage.Kind(plan.SourceExpired): "Has run out", coverage.Kind(plan.SourceExpiring): "Runs out soon", coverage.Kind(plan.SourceDoubtful): "Doubtful",
}

// cards are findings, a card each.
type cards struct {
	All  int
	Rows []card
	Cut  string
}

type card struct {
	look
	Kind, Where, Container, Image, Text, Advice string
	Namespaces                                  string // as it is shown
	All                                         string // those that the filter goes by
}

func newCards(list []coverage.Finding) (c cards) {
	c.All = len(list)
	list, c.Cut = first(list, pageRows)
	for _, f := range list {
		row := card{look: look{Class: "public", Symbol: "·"}, Kind: cmp.Or(kindWords[f.Kind], string(f.Kind)), Where: about(f), Text: f.Text, Advice: f.Advice}
		if f.Alarm {
			row.look = lookOf("alarm")
		}
		if f.Image != "" {
			row.Container, row.Image = f.Container, f.Image
			row.All = f.Namespace
		} else if len(f.Namespaces) > 0 {
			row.Namespaces, row.All = where(f.Namespaces), strings.Join(f.Namespaces, " ")
		}
		c.Rows = append(c.Rows, row)
	}
	return c
}

// matrix has a row for each namespace and a column for each registry.
type matrix struct {
	Columns []string
	Rows    []matrixRow
	Cut     string
}

type matrixRow struct {
	Namespace string
	Cells     []matrixCell
	worst     int
}

// matrixCell has the worst state of some images; Of is how many these are, and Count how many of them are in that state.
type matrixCell struct {
	look
	Registry  string
	Rank      int
	Count, Of int
}

// Title says in words what the symbol says.
func (c matrixCell) Title() string {
	return fmt.Sprintf("%s: %d of %d from %s", c.Words, c.Count, c.Of, c.Registry)
}

func (c *matrixCell) add(class string) {
	c.Of++
	switch rank := rankOf(class); {
	case rank > c.Rank:
		c.look, c.Rank, c.Count = lookOf(class), rank, 1
	case rank == c.Rank:
		c.Count++
	}
}

func newMatrix(r *coverage.Report, a alarmed) (m matrix) {
	registries, _ := first(r.Registries, pageColumns) // what has no credential first
	for _, registry := range registries {
		m.Columns = append(m.Columns, registry.Registry)
	}
	at := map[string]*matrixRow{}
	for _, i := range r.Images {
		row := at[i.Namespace]
		if row == nil {
			row = &matrixRow{Namespace: i.Namespace, Cells: make([]matrixCell, len(m.Columns))}
			at[i.Namespace] = row
		}
		row.worst = max(row.worst, rankOf(a.class(i)))
		if column := slices.Index(m.Columns, i.Registry); column >= 0 {
			row.Cells[column].Registry = i.Registry
			row.Cells[column].add(a.class(i))
		}
	}
	for _, row := range at {
		m.Rows = append(m.Rows, *row)
	}
	slices.SortFunc(m.Rows, func(a, b matrixRow) int {
		return cmp.Or(cmp.Compare(b.worst, a.worst), strings.Compare(a.Namespace, b.Namespace))
	})
	if rows := len(m.Rows); rows > pageNamespaces || len(r.Registries) > pageColumns {
		m.Rows = m.Rows[:min(rows, pageNamespaces)]
		m.Cut = fmt.Sprintf("Shown are %d of %d namespaces and %d of %d registries, the worst first; -o json has all.", len(m.Rows), rows, len(m.Columns), len(r.Registries))
	}
	return m
}

type registryRow struct {
	Registry, Namespaces string
	Counts               []labelled
	Sources              []string
}

type labelled struct {
	Label string
	N     int
}

func newRegistryRow(r coverage.Registry) registryRow {
	return registryRow{Registry: r.Registry, Namespaces: strings.Join(r.Namespaces, " "), Sources: r.Sources, Counts: []labelled{
		{"images", r.Images}, {"waiting", r.Waiting}, {"no credential", r.States[coverage.None]}, {"not known", r.States[coverage.Unknown]},
		{"covered", r.States[coverage.Covered]}, {"by nodes", r.States[coverage.Nodes]}, {"public", r.States[coverage.Public]},
	}}
}

type bareTable struct {
	Rows []bareRow
	Cut  string
}

type bareRow struct {
	Image, Namespaces, All string
	Workloads              int
}

func newBareTable(r *coverage.Report) (t bareTable) {
	list, cut := first(bareImages(r), pageRows)
	t.Cut = cut
	for _, b := range list {
		t.Rows = append(t.Rows, bareRow{b.image, where(b.namespaces), strings.Join(b.namespaces, " "), len(b.workloads)})
	}
	return t
}

type sourcePart struct {
	coverage.Source
	Held, Used string
	RunsOut    string // the day
	Holders    []holderRow
	Cut        string
}

type holderRow struct {
	coverage.Holder
	Words string
}

var holderWords = map[string]string{"source": "the source", "copy": "a copy", "earlier": "a copy, with another credential than the source has now",
	"equal": "somebody else's, with the same credential"}

// newSourcePart shares the rows that the page has among all sources.
func newSourcePart(s coverage.Source, sources int) sourcePart {
	p := sourcePart{Source: s, Held: counted(heldIn(s), "namespace"), Used: counted(usedIn(s), "namespace"), RunsOut: day(s.Expires)}
	holders, cut := first(s.Holders, max(20, pageImages/max(sources, 1)))
	p.Cut = cut
	for _, h := range holders {
		p.Holders = append(p.Holders, holderRow{h, holderWords[h.Kind]})
	}
	return p
}

type imageTable struct {
	Rows []imageRow
	Cut  string
}

type imageRow struct {
	look
	Namespace, Workload, Container, Image, Registry, Secrets string
	Rank                                                     int
}

// newImageTable has what is worst first, so that what is left out is what nobody looks for.
func newImageTable(r *coverage.Report, of alarmed) (t imageTable) {
	images := slices.Clone(r.Images)
	slices.SortStableFunc(images, func(a, b coverage.Image) int { return cmp.Compare(rankOf(of.class(b)), rankOf(of.class(a))) })
	images, t.Cut = first(images, pageImages)
	for _, i := range images {
		t.Rows = append(t.Rows, imageRow{
			look: lookOf(of.class(i)), Rank: rankOf(of.class(i)), Namespace: i.Namespace, Workload: i.Workload, Container: i.Container,
			Image: i.Image, Registry: i.Registry, Secrets: strings.Join(i.Secrets, ", "),
		})
	}
	return t
}
