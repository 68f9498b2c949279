package coverage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// registries sums the images up by registry.
func (c *computation) registries() {
	at := map[string]*Registry{}
	repositories := map[string]map[string]bool{}
	broken := map[string]bool{}
	for _, i := range c.report.Images {
		if i.Registry == "" {
			continue
		}
		r := at[i.Registry]
		if r == nil {
			r = &Registry{Registry: i.Registry, States: map[State]int{}, Namespaces: []string{}, Sources: []string{}}
			at[i.Registry], repositories[i.Registry] = r, map[string]bool{}
		}
		r.Images++
		r.States[i.State]++
		broken[i.Registry] = broken[i.Registry] || i.Broken != ""
		if len(i.Waiting) > 0 {
			r.Waiting++
		}
		if n := len(r.Namespaces); n == 0 || r.Namespaces[n-1] != i.Namespace { // images are sorted by it
			r.Namespaces = append(r.Namespaces, i.Namespace)
		}
		repositories[i.Registry][i.repository] = true
	}
	for _, r := range at {
		for _, source := range c.Policy.Sources() {
			for repository := range repositories[r.Registry] {
				if c.covers(source, repository) {
					r.Sources = append(r.Sources, source.String())
					break
				}
			}
		}
		c.report.Registries = append(c.report.Registries, *r)
		if !broken[r.Registry] { // which hides whether there is a credential
			c.tellRegistry(*r)
		}
	}
	slices.SortFunc(c.report.Registries, func(a, b Registry) int {
		return cmp.Or(cmp.Compare(b.Waiting, a.Waiting), cmp.Compare(b.States[None], a.States[None]), cmp.Compare(b.Images, a.Images),
			strings.Compare(a.Registry, b.Registry))
	})
}

// tellRegistry tells of a registry that nothing covers. Where something could not be read, that is not known.
func (c *computation) tellRegistry(r Registry) {
	if r.States[None] == 0 || r.States[None]+r.States[Public] < r.Images || len(r.Sources) > 0 {
		return
	}
	if slices.ContainsFunc(c.Policy.Sources(), func(key types.NamespacedName) bool { return c.Sources[key].Status == policy.SourceForbidden }) {
		return
	}
	text := "no credential for its one image, and none in the policy"
	if r.Images > 1 {
		text = fmt.Sprintf("no credential for any of its %d images, and none in the policy", r.Images)
	}
	c.found(Finding{
		Kind: RegistryUncovered, Registry: r.Registry, Namespaces: r.Namespaces,
		Text:   text,
		Advice: "if it is not public: a source with an entry for it, or nodeCredentials in the policy if the nodes log in to it",
	})
}
