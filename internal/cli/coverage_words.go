package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/inspect/coverage"
)

// What text and page both say of a report.

// verdictWords are the sentence that matters most: its head, and what it is about.
type verdictWords struct{ Head, Rest string }

// String is the whole sentence.
func (v verdictWords) String() string {
	if v.Rest == "" {
		return v.Head + "."
	}
	return v.Head + ": " + v.Rest + "."
}

func coverageVerdict(r *coverage.Report) (v verdictWords) {
	switch n := r.Totals.Alarms; {
	case n == 0 && len(r.Unread) > 0:
		return verdictWords{Head: "Nothing needs somebody, as far as may be read"}
	case n == 0:
		return verdictWords{Head: "Nothing needs somebody"}
	case n == 1:
		v.Head = "1 thing needs somebody"
	default:
		v.Head = fmt.Sprintf("%d things need somebody", n)
	}
	var parts []string
	for _, w := range alarmWords {
		if n := countKind(r, w.kind); n > 0 {
			parts = append(parts, counted(n, w.what)+" "+w.rest)
		}
	}
	if n := r.Totals.Alarms - countKind(r, alarmKinds()...); n > 0 {
		parts = append(parts, counted(n, "source")+" to be renewed")
	}
	v.Rest = strings.Join(parts, ", ")
	return v
}

// alarmWords say what the findings are that need somebody. All others are about sources whose credential runs out.
var alarmWords = []struct {
	kind       coverage.Kind
	what, rest string
}{
	{coverage.BrokenSecret, "image", "whose pull secrets the kubelet cannot read"},
	{coverage.NoCredential, "image", "without a credential that pods wait for"},
	{coverage.CreatedTooEarly, "image", "whose pods were made too early"},
	{coverage.ListHides, "image", "cut off by a list of the workload's own"},
	{coverage.CredentialExpired, "image", "whose credential has run out"},
	{coverage.Pending, "image", "whose credential is about to come"},
	{coverage.Lapsing, "image", "about to lose the credential"},
	{coverage.SourceUnusable, "source", "that cannot be copied"},
}

func alarmKinds() (kinds []coverage.Kind) {
	for _, w := range alarmWords {
		kinds = append(kinds, w.kind)
	}
	return kinds
}

func countKind(r *coverage.Report, kinds ...coverage.Kind) (n int) {
	for _, f := range r.Findings {
		if f.Alarm && slices.Contains(kinds, f.Kind) {
			n++
		}
	}
	return n
}

// stateWords say how many images are in a state.
var stateWords = []struct {
	state coverage.State
	one   string
	many  string
}{
	{coverage.Covered, "has a credential", "have a credential"},
	{coverage.Nodes, "is left to the nodes", "are left to the nodes"},
	{coverage.Public, "is public", "are public"},
	{coverage.None, "has none", "have none"},
	{coverage.Unknown, "is not known", "are not known"},
	{coverage.Invalid, "is no reference of an image", "are no reference of an image"},
}

// coverageSummary counts the images.
func coverageSummary(r *coverage.Report) string {
	t := r.Totals
	if t.Images == 0 {
		return "There are no images."
	}
	var parts []string
	for _, w := range stateWords {
		switch n := t.States[w.state]; n {
		case 0:
		case 1:
			parts = append(parts, "1 "+w.one)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, w.many))
		}
	}
	return fmt.Sprintf("Of %s of %s in %s, %s.", counted(t.Images, "image"), counted(t.Workloads, "workload"), counted(t.Namespaces, "namespace"), strings.Join(parts, ", "))
}

// bare is an image that has no credential and that no pod waits for, with the workloads that have it.
type bare struct {
	image, registry       string
	workloads, namespaces []string
}

// bareImages are those that may be public, each once, by registry.
func bareImages(r *coverage.Report) (out []bare) {
	at := map[string]int{}
	for _, f := range r.Findings {
		if f.Kind != coverage.NoCredential || f.Alarm {
			continue
		}
		i, ok := at[f.Image]
		if !ok {
			i, at[f.Image] = len(out), len(out)
			out = append(out, bare{image: f.Image, registry: f.Registry})
		}
		if w := f.Namespace + "/" + f.Workload; !slices.Contains(out[i].workloads, w) {
			out[i].workloads = append(out[i].workloads, w)
		}
		if !slices.Contains(out[i].namespaces, f.Namespace) {
			out[i].namespaces = append(out[i].namespaces, f.Namespace)
		}
	}
	slices.SortFunc(out, func(a, b bare) int {
		return cmp.Or(strings.Compare(a.registry, b.registry), strings.Compare(a.image, b.image))
	})
	return out
}

// alarmsOf are the findings that need somebody; noticesOf the others, but those about single images that may be public.
func alarmsOf(r *coverage.Report) []coverage.Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f coverage.Finding) bool { return !f.Alarm })
}

func noticesOf(r *coverage.Report) []coverage.Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f coverage.Finding) bool { return f.Alarm || f.Kind == coverage.NoCredential })
}

// about is what a finding is about, the most exact first.
func about(f coverage.Finding) string {
	switch {
	case f.Workload != "":
		return f.Namespace + " " + f.Workload
	case f.Source != "":
		return "source " + f.Source
	}
	return f.Registry
}

// heldIn and usedIn count the namespaces of a source's holders.
func heldIn(s coverage.Source) int {
	return countNamespaces(s, func(coverage.Holder) bool { return true })
}

func usedIn(s coverage.Source) int {
	return countNamespaces(s, func(h coverage.Holder) bool { return h.Images > 0 })
}

func countNamespaces(s coverage.Source, want func(coverage.Holder) bool) int {
	names := map[string]bool{}
	for _, h := range s.Holders {
		if want(h) {
			names[h.Namespace] = true
		}
	}
	return len(names)
}

// day is that of a time in RFC 3339.
func day(at string) string {
	date, _, _ := strings.Cut(at, "T")
	return date
}
