package view

import (
	"cmp"
	_ "embed"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/inspect/overview"
	"github.com/pullsecrets/pullsecrets/internal/page"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

var (
	//go:embed page.html
	pageTemplate string
	//go:embed page.css
	ownStyle string
	//go:embed page.js
	script string

	style  = page.Style + ownStyle
	parsed = template.Must(template.New("ui").Funcs(template.FuncMap{"label": newLabelled}).Parse(pageTemplate))
)

// ContentPolicy is what the page lets a browser do: run its one script, which asks this server alone and puts no text in as markup.
func ContentPolicy() string {
	return page.ContentPolicy(style, script, "connect-src 'self'", "img-src 'self'", "form-action 'self'", "frame-ancestors 'none'",
		"require-trusted-types-for 'script'", "trusted-types 'none'")
}

// labelled is a number with the name of its column.
type labelled struct {
	Label string
	N     int
}

func newLabelled(label string, n int) labelled { return labelled{label, n} }

// Part is what of the page is written.
type Part string

// The parts.
const (
	WholePage Part = "page"
	Regions   Part = "regions" // what changes, for a page that is shown already
)

// How much the page has, so that a browser shows it at once also with thousands of namespaces. A filter finds the rest.
const (
	maxRows      = 100 // of namespaces
	maxList      = 200 // of rules, and of sources
	maxProblems  = 60
	maxNamed     = 8   // namespaces of a problem that are shown at once
	maxFolded    = 300 // and that are there to be opened, of each
	maxFoldedAll = 1500
)

const moreWithStatus = "pullsecrets status has all"

// first are the first n of a list, and what is said of the rest.
func first[T any](list []T, n int, rest string) (shown []T, cut string) {
	return page.First(list, n, rest)
}

// Page is the page for one query.
type Page struct {
	model     *Model
	query     Query
	Version   int // that the page was made of
	Explained *Explained

	Style, Script template.HTML // this program's own text, which the content policy names by its hash
	Made          string
	Context       string
	Overview      *overview.Overview
	Verdict       Verdict
	Away          string
	Query         Query
	Hint          string // what the search leads to
	OfError       string
	Bar           []BarPart
	Groups        []ProblemGroup
	GroupsCut     string
	Filtered      string // what of problems and namespaces is shown
	HeldBack      []ShownProblem
	Live          bool
	Rules         []ruleRow
	RulesCut      string
	Sources       []sourceRow
	SourcesCut    string
	Matrix        Matrix
	Unread        []Unread
	Polled        bool
	asks          string
}

// Page makes the page for a query.
func (m *Model) Page(q Query, now time.Time) *Page {
	p := &Page{
		model: m, query: q, Query: q, Overview: m.overview, Context: m.facts.Context, Unread: m.unread,
		Style: template.HTML("<style>" + style + "</style>"), Script: template.HTML("<script>" + script + "</script>"),
		Made: now.UTC().Format("2 January 2006, 15:04:05 UTC"), Verdict: m.verdict(), Bar: m.bar(),
		Live: m.facts.Live, Polled: m.facts.Policy.Polled || m.facts.Status.Polled,
	}
	if !m.facts.Away.IsZero() {
		p.Away = m.facts.Away.UTC().Format("15:04:05 UTC")
	}
	p.Rules, p.RulesCut = first(m.rules, maxList, moreWithStatus)
	p.Sources, p.SourcesCut = first(m.sources, maxList, moreWithStatus)
	p.Groups, p.GroupsCut = m.groups(q.Filter)
	if held := slices.IndexFunc(p.Groups, func(g ProblemGroup) bool { return g.Reason == string(plan.PruneHeld) }); held >= 0 && m.overview.Held != nil {
		p.HeldBack = p.Groups[held].Problems
		p.Groups = slices.Delete(p.Groups, held, held+1)
	}
	p.Matrix = m.matrix.filtered(q.Filter)
	p.search()
	return p
}

// search finds out what the filter leads to.
func (p *Page) search() {
	filter := p.query.Filter
	if filter == "" {
		return
	}
	_, p.OfError = p.query.target()
	named := slices.ContainsFunc(p.model.matrix.rows, func(r row) bool { return r.namespace == filter })
	switch {
	case named, !p.model.matrix.listed && isName(filter):
		p.asks = filter
	case p.Matrix.All == 1:
		p.asks = p.Matrix.Rows[0].Namespace
	}
	if p.asks != "" && p.query.Typing {
		p.Hint = "Enter asks what explain says of " + p.asks
	}
}

// Asks returns which namespace is to be explained, and what of it.
func (p *Page) Asks() (namespace string, target inspect.Target, ok bool) {
	if p.asks == "" || p.query.Typing {
		return "", target, false
	}
	target, _ = p.query.target() // what is wrong with it is told, and the namespace is explained
	return p.asks, target, true
}

// Write writes the page, or a part of it.
func (p *Page) Write(out io.Writer, part Part) error {
	return parsed.ExecuteTemplate(out, string(part), p)
}

// Verdict is the state of the policy, as the page says it first.
type Verdict struct{ Head, Class, Rest string }

var stateHeads = map[string]Verdict{
	status.Ready:       {Head: "In force", Class: "covered"},
	status.Degraded:    {Head: "In force, and somebody is needed", Class: "alarm"},
	status.Invalid:     {Head: "The policy was refused", Class: "alarm"},
	status.Missing:     {Head: "There is no policy", Class: "alarm"},
	status.Progressing: {Head: "Under way", Class: "nodes"},
	overview.Unknown:   {Head: "Not known", Class: "unknown"},
}

func (m *Model) verdict() Verdict {
	v := stateHeads[m.overview.State]
	v.Rest = m.overview.Message
	return v
}

// Symbol is that of the verdict's class.
func (v Verdict) Symbol() string {
	return map[string]string{"covered": "●", "alarm": "▲", "nodes": "◆", "unknown": "?"}[v.Class]
}

// icons are those of the verdict's classes, so that a tab in the background shows how it is.
var icons = map[string]string{
	"covered": `<circle cx="8" cy="8" r="6" fill="#2b6b4a"/>`,
	"alarm":   `<path d="M8 1.5 15 14.5H1z" fill="#b3261e"/>`,
	"nodes":   `<path d="M8 1 15 8 8 15 1 8z" fill="#35568f"/>`,
}

// Icon is the picture of a verdict's class.
func Icon(class string) string {
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">` + cmp.Or(icons[class], `<circle cx="8" cy="8" r="5" fill="none" stroke="#6f4f94" stroke-width="2"/>`) + `</svg>`
}

// BarPart is a state's part of all namespaces; X and Width are of 1000.
type BarPart struct {
	page.Look
	X, Width float64
	Count    int
}

func (m *Model) bar() (parts []BarPart) {
	all := 0
	for _, s := range byWorst {
		all += m.matrix.counts[s]
	}
	if all == 0 || !m.matrix.listed {
		return nil
	}
	at := 0.0
	for _, s := range byWorst {
		if n := m.matrix.counts[s]; n > 0 {
			width := 1000 * float64(n) / float64(all)
			parts = append(parts, BarPart{Look: looks[s], X: at, Width: width, Count: n})
			at += width
		}
	}
	return parts
}

// Short is a hash that a person can compare.
func (p *Page) Short(hash string) string {
	name, digits, ok := strings.Cut(hash, ":")
	if !ok || len(digits) < 12 {
		return hash
	}
	return name + ":" + digits[:12]
}
