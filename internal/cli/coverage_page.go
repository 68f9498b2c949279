package cli

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/inspect/coverage"
	"github.com/pullsecrets/pullsecrets/internal/page"
)

var (
	//go:embed coverage_page.html
	pageTemplate string
	//go:embed coverage_page.js
	pageScript string

	parsedPage = template.Must(template.New("coverage").Parse(pageTemplate))
)

// writeCoveragePage writes a report as one page that needs nothing else.
func writeCoveragePage(out io.Writer, r *coverage.Report, made time.Time) error {
	p := newCoveragePage(r)
	p.Made = made.UTC().Format("2 January 2006, 15:04 UTC")
	var b bytes.Buffer // so that a page that cannot be made is not half written
	if err := parsedPage.Execute(&b, p); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	_, err := b.WriteTo(out)
	return err
}

// The most that the page has, so that a browser shows it at once. JSON has all.
const (
	pageRows       = 500
	pageImages     = 2000
	pageNamespaces = 400
	pageColumns    = 24
)

// coveragePage is what the template is filled with.
type coveragePage struct {
	CSP           string
	Style, Script template.HTML // this program's own text, which the policy names by its hash
	Made          string
	Report        *coverage.Report
	Verdict       verdictWords
	Summary       string
	Bar           []barPart
	Legend        []look
	Alarms        cards
	Notices       cards
	Matrix        matrix
	Registries    []registryRow
	RegistriesCut string
	Bare          bareTable
	Sources       []sourcePart
	SourcesCut    string
	Images        imageTable
	Unread        []coverage.Unread
	UnreadCut     string
}

func newCoveragePage(r *coverage.Report) *coveragePage {
	alarmed := newAlarmed(r)
	p := &coveragePage{
		CSP: page.ContentPolicy(page.Style, pageScript, "form-action 'none'"), Style: template.HTML("<style>" + page.Style + "</style>"), Script: template.HTML("<script>" + pageScript + "</script>"),
		Report: r, Verdict: coverageVerdict(r), Summary: coverageSummary(r), Bar: barOf(r, alarmed), Legend: looks,
		Alarms: newCards(alarmsOf(r)), Notices: newCards(noticesOf(r)), Matrix: newMatrix(r, alarmed), Bare: newBareTable(r), Images: newImageTable(r, alarmed),
	}
	registries, cut := first(r.Registries, pageRows)
	p.RegistriesCut = cut
	for _, row := range registries {
		p.Registries = append(p.Registries, newRegistryRow(row))
	}
	sources, cut := first(r.Sources, pageRows)
	p.SourcesCut = cut
	for _, s := range sources {
		p.Sources = append(p.Sources, newSourcePart(s, len(sources)))
	}
	p.Unread, p.UnreadCut = first(r.Unread, pageRows)
	return p
}

// first are the first n of a list, and what is said of the rest.
func first[T any](list []T, n int) (shown []T, cut string) {
	return page.First(list, n, "-o json has all")
}
