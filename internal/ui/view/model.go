package view

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/inspect/overview"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// Model is what the page shows of a cluster, before it is asked for anything. It is not changed.
type Model struct {
	facts    Facts
	overview *overview.Overview
	matrix   matrix
	rules    []ruleRow
	sources  []sourceRow
	unread   []Unread
	day      string // ages are told by the day
}

// New works out what the page shows.
func New(f Facts, now time.Time) *Model {
	m := &Model{facts: f, unread: f.unread(), day: now.UTC().Format(time.DateOnly)}
	in := overview.Input{
		Namespace: f.Namespace, PolicyName: f.PolicyName, StatusName: f.StatusName, Kubectl: f.Kubectl, Meanings: f.Meanings,
		Policy: f.Policy.Value, Status: f.Status.Value, PolicyDenied: f.Policy.denied(), StatusDenied: f.Status.denied(),
	}
	m.overview = overview.From(in)
	m.matrix = newMatrix(m.overview, f.inForce(), f.record(), f.Namespaces)
	for _, r := range m.overview.Rules {
		m.rules = append(m.rules, ruleRow{r, newMoment(r.OldestUnsynced, now)})
	}
	for _, s := range m.overview.Sources {
		m.sources = append(m.sources, newSourceRow(s, now))
	}
	return m
}

// denied says why something is not known; "" where it is.
func (k Known[T]) denied() string {
	switch {
	case k.Known:
		return ""
	case k.Forbidden:
		return "you may not"
	case k.Why != "":
		return k.Why
	}
	return "the API server has not answered yet"
}

func (f Facts) record() status.Record {
	if f.Status.Value == nil {
		return status.Record{}
	}
	return status.Decode(f.Status.Value.Data[status.KeyRecord])
}

// inForce is the policy in force, which the status keeps; nil where that is not known.
func (f Facts) inForce() *policy.Policy {
	if f.Status.Value == nil {
		return nil
	}
	kept, err := status.UnpackPolicy(f.Status.Value.BinaryData[status.KeyPolicy])
	if err != nil || kept == nil {
		return nil
	}
	options := f.Options
	options.AnySource = true // which namespaces sources may be in, only the controller's own flags say
	p, _ := policy.Parse(kept, options)
	return p
}

// Same reports whether two models show the same.
func (m *Model) Same(o *Model) bool {
	return m.day == o.day && m.facts.Away.Equal(o.facts.Away) && reflect.DeepEqual(m.overview, o.overview) && reflect.DeepEqual(m.unread, o.unread) &&
		reflect.DeepEqual(m.matrix, o.matrix) && reflect.DeepEqual(m.sources, o.sources) && reflect.DeepEqual(m.rules, o.rules)
}

// Changes are what differs between two models, in words.
func Changes(before, now *Model) (words []string) {
	if away := !now.facts.Away.IsZero(); away != !before.facts.Away.IsZero() {
		if away {
			return []string{"The API server does not answer."}
		}
		words = append(words, "The API server answers again.")
	}
	if before.overview.State != now.overview.State {
		words = append(words, "The policy is "+now.overview.State+" now.")
	}
	was, is := before.troubles(), now.troubles()
	words = append(words, changed("New", is, was)...)
	words = append(words, changed("Gone", was, is)...)
	if (before.overview.Held == nil) != (now.overview.Held == nil) {
		words = append(words, map[bool]string{true: "Removals are held back.", false: "No removal is held back any more."}[now.overview.Held != nil])
	}
	if len(words) == 0 {
		words = append(words, "The page has changed.")
	}
	return words
}

// about is what a problem is and what it is about, whatever is said of it.
type about struct{ reason, object string }

// troubles are the namespaces that have each, sorted and each once; "" stands for a problem of none. There may be hundreds of
// problems, each in thousands of namespaces.
func (m *Model) troubles() map[about][]string {
	all := map[about][]string{}
	for _, g := range m.overview.Problems {
		for _, p := range g.Problems {
			key := about{p.Reason, overview.Object(p.Problem)}
			names := p.Namespaces
			if len(names) == 0 {
				names = []string{""}
			}
			all[key] = inOrder(all[key], names)
		}
	}
	return all
}

// inOrder are the names of two lists, sorted and each once. Mostly there is one list, which is so already.
func inOrder(some, others []string) []string {
	if len(some) == 0 && slices.IsSorted(others) {
		return others
	}
	both := slices.Concat(some, others)
	slices.Sort(both)
	return slices.Compact(both)
}

// trouble is a problem in one namespace, or of none.
type trouble struct {
	about
	namespace string
}

func (t trouble) before(o trouble) bool {
	return t.reason+t.namespace+t.object < o.reason+o.namespace+o.object
}

// changed says which troubles of one set another lacks.
func changed(word string, of, lacking map[about][]string) []string {
	var first trouble
	n := 0
	for key, names := range of {
		missing := without(names, lacking[key])
		if len(missing) == 0 {
			continue
		}
		if t := (trouble{key, missing[0]}); n == 0 || t.before(first) {
			first = t
		}
		n += len(missing)
	}
	if n == 0 {
		return nil
	}
	text := fmt.Sprintf("%s: %s, %s", word, first.reason, first.object)
	if first.namespace != "" {
		text += " in " + first.namespace
	}
	if n > 1 {
		text += fmt.Sprintf(", and %d more", n-1)
	}
	return []string{text + "."}
}

// without are the names that another list lacks; both are sorted.
func without(names, others []string) (missing []string) {
	for _, name := range names {
		for len(others) > 0 && others[0] < name {
			others = others[1:]
		}
		if len(others) == 0 || others[0] != name {
			missing = append(missing, name)
		}
	}
	return missing
}
