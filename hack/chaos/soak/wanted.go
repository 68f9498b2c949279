package soak

import "slices"

// wanted is what a policy asks for in one namespace.
type wanted struct {
	copies   map[string]wantedCopy
	accounts map[string][]string // names in the lists of accounts
	pods     map[string][]string // names that the API server adds to the pods of an account
}

// wantedCopy is a copy that a policy asks for.
type wantedCopy struct {
	home, rule, source string
	force, prune       bool
}

// want works out what the policy of an installation asks for in a namespace. byPods says whether the API server adds the names
// of rules that attach to pods; where it does not, accounts get them.
func want(home string, p policy, s *seen, ns *object, byPods bool) wanted {
	w := wanted{copies: map[string]wantedCopy{}, accounts: map[string][]string{}, pods: map[string][]string{}}
	if ns.deleting || ns.optedOut() || ns.annotations["k8s.titansoft.com/imagepullsecret-patcher-exclude"] == "true" {
		return w
	}
	for _, r := range p.Rules {
		if !r.Namespaces.matches("*", ns.name, ns.labels) {
			continue
		}
		var names []string
		for _, one := range r.Secrets {
			name := one.copyName()
			c, taken := w.copies[name]
			if !taken {
				c = wantedCopy{home, r.Name, one.Source.Name, r.Force, r.prune()}
				w.copies[name] = c
			}
			if c.source == one.Source.Name { // another source is a conflict, and the later rule adds nothing
				names = append(names, name)
			}
		}
		for _, a := range s.accountsIn(ns.name) {
			if !r.ServiceAccounts.matches("default", a.name, a.labels) {
				continue
			}
			if byPods && r.Attach == "pods" { // of the account its name alone is seen there
				w.pods[a.name] = add(w.pods[a.name], names...)
			} else if !a.optedOut() {
				w.accounts[a.name] = add(w.accounts[a.name], names...)
			}
		}
	}
	return w
}

// isSource reports whether a secret is the source of any rule: it is never written.
func (p policy) isSource(name string) bool {
	return slices.ContainsFunc(p.Rules, func(r rule) bool {
		return slices.ContainsFunc(r.Secrets, func(s secret) bool { return s.Source.Name == name })
	})
}

func add(list []string, names ...string) []string {
	for _, name := range names {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}
