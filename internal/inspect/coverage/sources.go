package coverage

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// notInPolicy is the status of a source that copies are made from and no rule names any more.
const notInPolicy = "NotInPolicy"

// rfc3339 is the form of a time.
const rfc3339 = "2006-01-02T15:04:05Z07:00"

// sources says who holds which credential, and which of them no image needs.
func (c *computation) sources() {
	all := map[types.NamespacedName]*Source{}
	for _, rule := range c.Policy.Rules {
		for _, s := range rule.Secrets {
			if all[s.Source] == nil {
				all[s.Source] = c.newSource(s.Source)
			}
			if !slices.Contains(all[s.Source].Rules, rule.Name) {
				all[s.Source].Rules = append(all[s.Source].Rules, rule.Name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.at)) {
		c.holders(c.at[name], all)
	}
	for _, key := range slices.SortedFunc(maps.Keys(all), func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) }) {
		c.report.Sources = append(c.report.Sources, *all[key])
		c.tellSource(key, all[key])
	}
}

func (c *computation) newSource(key types.NamespacedName) *Source {
	s := &Source{Source: key.String(), Status: notInPolicy, Rules: []string{}, Registries: []string{}, Holders: []Holder{}}
	state, ok := c.Sources[key]
	if !ok {
		return s
	}
	s.Status = string(state.Status)
	if state.Source != nil {
		if ends := state.Source.Ends(); len(ends) > 0 {
			s.Expires = ends[0].Until.Format(rfc3339)
		}
	}
	if state.Status == policy.SourceUsable {
		for _, r := range state.Source.Content.Registries {
			s.Registries = append(s.Registries, r.Host)
		}
	}
	return s
}

// holders finds the sources' credentials in a namespace, and counts the images that have them.
func (c *computation) holders(ns *Namespace, all map[types.NamespacedName]*Source) {
	for _, name := range slices.Sorted(maps.Keys(ns.Now.Secrets)) {
		secret := ns.Now.Secrets[name]
		if secret.Source.Name != "" && all[secret.Source] == nil {
			all[secret.Source] = c.newSource(secret.Source)
		}
		images := c.used[types.NamespacedName{Namespace: ns.Name, Name: name}]
		for key, s := range all {
			if kind := c.holds(key, types.NamespacedName{Namespace: ns.Name, Name: name}, secret); kind != "" {
				s.Holders = append(s.Holders, Holder{Namespace: ns.Name, Secret: name, Kind: kind, Images: images})
				s.Images += images
			}
		}
	}
	for name, secret := range ns.Later.Secrets { // that are about to come
		if s := all[secret.Source]; s != nil && ns.Now.Secrets[name].Content == nil {
			s.Images += c.used[types.NamespacedName{Namespace: ns.Name, Name: name}]
		}
	}
}

// holds says how a secret holds the credential of a source; "" if it does not.
func (c *computation) holds(source, key types.NamespacedName, secret Secret) string {
	state := c.Sources[source]
	usable := state.Status == policy.SourceUsable
	same := usable && state.Source.Content.Equal(secret.Content)
	switch {
	case secret.Content == nil:
		return ""
	case key == source:
		return "source"
	case secret.Source == source && (same || !usable):
		return "copy"
	case secret.Source == source:
		return "earlier"
	case same:
		return "equal"
	}
	return ""
}

// tellSource tells what is wrong with a source, and where nobody needs it.
func (c *computation) tellSource(key types.NamespacedName, s *Source) {
	if len(c.Narrowed) > 0 && len(s.Holders) == 0 && s.Images == 0 {
		return // it does not concern the namespaces that were asked for
	}
	state := c.Sources[key]
	for _, f := range state.Findings {
		c.found(Finding{Kind: Kind(f.Reason), Alarm: f.Problem, Source: s.Source, Namespaces: namespaces(s.Holders, "copy", "earlier"), Text: f.Text})
	}
	if state.Status != policy.SourceUsable && state.Status != policy.SourceForbidden && s.Status != notInPolicy {
		c.found(Finding{Kind: SourceUnusable, Alarm: state.Status != policy.SourceVerifying, Source: s.Source, Text: "it cannot be copied: " + strings.ToLower(s.Status),
			Advice: "pullsecrets plan says why; copies that exist are kept"})
	}
	if !c.UsesKnown {
		return
	}
	idle := slices.DeleteFunc(slices.Clone(s.Holders), func(h Holder) bool {
		return h.Images > 0 || c.wanted[types.NamespacedName{Namespace: h.Namespace, Name: h.Secret}]
	})
	if s.Images == 0 && !c.needed[key] && len(idle) == len(s.Holders) && len(c.Narrowed) == 0 {
		if state.Status == policy.SourceUsable || s.Status == notInPolicy {
			c.found(Finding{Kind: SourceUnused, Source: s.Source, Namespaces: namespaces(s.Holders, "copy", "earlier"),
				Text: "no image has it to be pulled with", Advice: "if that stays so: remove it from the policy, and revoke it"})
		}
		return
	}
	if list := namespaces(idle, "copy", "earlier"); len(list) > 0 {
		c.found(Finding{Kind: CopyUnused, Source: s.Source, Namespaces: list,
			Text:   fmt.Sprintf("in %d of %d namespaces no image has its copy to be pulled with", len(list), len(namespaces(s.Holders, "copy", "earlier"))),
			Advice: "a rule for fewer namespaces gives the credential to fewer people"})
	}
}

func namespaces(holders []Holder, kinds ...string) (names []string) {
	for _, h := range holders {
		if slices.Contains(kinds, h.Kind) && !slices.Contains(names, h.Namespace) {
			names = append(names, h.Namespace)
		}
	}
	return names
}
