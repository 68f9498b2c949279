package policy

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// Policy is a validated, compiled set of rules. It is immutable and safe for concurrent use.
type Policy struct {
	Rules []*Rule
	// NodeCredentials has the registries that nodes log in to by themselves.
	NodeCredentials Registries

	sources  map[string]map[string]bool // by namespace, then name
	verified map[types.NamespacedName]bool
	names    []string
}

// Rule is a compiled rule.
type Rule struct {
	Name            string
	Secrets         []Secret
	Namespaces      Matcher
	ServiceAccounts Matcher
	Attach          Attach
	Force           bool
	Prune           bool
	Override        bool // where it wins a copy over a later rule with another source, that is meant
}

// Attach is how the pods of a rule's service accounts get its names.
type Attach string

// The ways. With AttachPods, the API server adds the names to a pod when it is created, and no service account is written.
const (
	AttachAccounts Attach = "accounts"
	AttachPods     Attach = "pods"
)

// Secret is one secret of a rule: copies called Name are made from Source.
type Secret struct {
	Source types.NamespacedName
	Name   string
	Verify bool // registries are asked for the credential before copies get it
}

// Matcher matches a name and labels: include minus exclude, and selector.
type Matcher struct {
	include, exclude []glob
	selector         labels.Selector
}

// Matches reports whether an object of this name and these labels is selected.
func (m Matcher) Matches(name string, set cluster.Labels) bool {
	return m.named(name) && (m.selector.Empty() || m.selector.Matches(set))
}

func (m Matcher) named(name string) bool {
	return matchesAny(m.include, name) && !matchesAny(m.exclude, name)
}

func newPolicy(rules []*Rule) *Policy {
	p := &Policy{Rules: rules, sources: map[string]map[string]bool{}, verified: map[types.NamespacedName]bool{}}
	for _, r := range rules {
		for _, s := range r.Secrets {
			if p.sources[s.Source.Namespace] == nil {
				p.sources[s.Source.Namespace] = map[string]bool{}
			}
			p.sources[s.Source.Namespace][s.Source.Name] = true
			p.names = append(p.names, s.Name)
			if s.Verify {
				p.verified[s.Source] = true
			}
		}
	}
	slices.Sort(p.names)
	p.names = slices.Compact(p.names)
	return p
}

// Sources are the sources of all rules, sorted.
func (p *Policy) Sources() []types.NamespacedName {
	var out []types.NamespacedName
	for namespace, names := range p.sources {
		for name := range names {
			out = append(out, types.NamespacedName{Namespace: namespace, Name: name})
		}
	}
	slices.SortFunc(out, func(a, b types.NamespacedName) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return out
}

// SourceNamespaces are the namespaces that have a source of this name, sorted.
func (p *Policy) SourceNamespaces(name string) (namespaces []string) {
	for namespace, names := range p.sources {
		if _, ok := names[name]; ok {
			namespaces = append(namespaces, namespace)
		}
	}
	slices.Sort(namespaces)
	return namespaces
}

// Verifies reports whether the registries of a source are asked before it is copied: where one secret that is made of it says
// so, it holds for all of them, because it is one credential.
func (p *Policy) Verifies(source types.NamespacedName) bool { return p.verified[source] }

// CopyNames are the names of all copies, sorted. The caller must not change the slice.
func (p *Policy) CopyNames() []string { return p.names }
