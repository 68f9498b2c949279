package inspect

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// overlaps finds copies of one namespace that disagree about a registry.
func (s *Snapshot) overlaps(p *policy.Policy) []Overlap {
	type pair struct {
		registry      string
		first, second OverlapSide
	}
	found := map[pair][]string{}
	disagree := s.disagreeing(p)
	if len(disagree) == 0 {
		return nil
	}
	for _, ns := range s.namespaces {
		in, _, _ := state.Observe(s, p, ns.Name, state.Circumstances{})
		copies := p.Desired(in).Copies
		for i, a := range copies {
			for _, b := range copies[i+1:] {
				for _, registry := range disagree[[2]types.NamespacedName{a.Source, b.Source}] {
					at := pair{registry, OverlapSide{a.Rule.Name, a.Name}, OverlapSide{b.Rule.Name, b.Name}}
					found[at] = append(found[at], ns.Name)
				}
			}
		}
	}
	var out []Overlap
	for at, namespaces := range found {
		out = append(out, Overlap{Registry: at.registry, First: at.first, Second: at.second, Namespaces: namespaces})
	}
	slices.SortFunc(out, func(a, b Overlap) int {
		return cmp.Or(strings.Compare(a.Registry, b.Registry), strings.Compare(a.First.Copy, b.First.Copy), strings.Compare(a.Second.Copy, b.Second.Copy),
			strings.Compare(a.First.Rule, b.First.Rule), strings.Compare(a.Second.Rule, b.Second.Rule))
	})
	return out
}

// disagreeing are the pairs of sources that disagree, each both ways, with the registries that they disagree about.
func (s *Snapshot) disagreeing(p *policy.Policy) map[[2]types.NamespacedName][]string {
	out := map[[2]types.NamespacedName][]string{}
	sources := p.Sources()
	for _, a := range sources {
		for _, b := range sources {
			if list := disagreements(s.source(a), s.source(b)); len(list) > 0 {
				out[[2]types.NamespacedName{a, b}] = list
			}
		}
	}
	return out
}

// disagreements are the registries for which two sources hold different credentials.
func disagreements(a, b policy.SourceState) (registries []string) {
	if a.Status != policy.SourceUsable || b.Status != policy.SourceUsable || a.Source == b.Source {
		return nil
	}
	of := map[string]cluster.Registry{}
	for _, r := range a.Source.Content.Registries {
		of[r.Host] = r
	}
	for _, r := range b.Source.Content.Registries {
		if other, ok := of[r.Host]; ok && !slices.EqualFunc(r.Fields, other.Fields, cluster.Field.SameValue) {
			registries = append(registries, r.Host)
		}
	}
	return registries
}
