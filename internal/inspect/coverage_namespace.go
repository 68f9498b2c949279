package inspect

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/inspect/coverage"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// secrets are all that is known of, by namespace and name.
func (c *coverer) secrets() map[string]map[string]coverage.Secret {
	out := map[string]map[string]coverage.Secret{}
	put := func(key types.NamespacedName, s coverage.Secret) {
		if out[key.Namespace] == nil {
			out[key.Namespace] = map[string]coverage.Secret{}
		}
		out[key.Namespace][key.Name] = s
	}
	for namespace, names := range c.mentioned() {
		for _, name := range names {
			if key := (types.NamespacedName{Namespace: namespace, Name: name}); c.unread[key] || c.snapshot.copiesDenied[name] != nil {
				put(key, coverage.Secret{Unread: true})
			}
		}
	}
	for key, s := range c.others {
		put(key, c.secret(s))
	}
	for key, s := range c.snapshot.secrets {
		put(key, c.secret(s.Secret))
	}
	return out
}

// secret tells a copy of ours by the same rule as the controller.
func (c *coverer) secret(s *cluster.Secret) coverage.Secret {
	out := coverage.Secret{Content: s.Content}
	if s.Broken {
		out.Broken = s.Cause
	}
	if owner, _ := c.snapshot.installation.Owns(s, state.Vouched(c.snapshot, s)); owner == cluster.Ours {
		out.Source = sourceOf(s.Marks.Source)
	}
	return out
}

// sourceOf reads the annotation of a copy that says what it was made from; the zero value where that is no name. Whoever may write
// in the namespace may have put any text there.
func sourceOf(mark string) types.NamespacedName {
	namespace, name, _ := strings.Cut(mark, "/")
	if len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return types.NamespacedName{}
	}
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// namespace is a namespace as it is, and as it will be by the very plan that the controller makes.
func (c *coverer) namespace(ns *cluster.Namespace, secrets map[string]coverage.Secret) coverage.Namespace {
	in, _, _ := state.Observe(c.snapshot, c.policy, ns.Name, c.snapshot.circumstances(false))
	todo := c.snapshot.plan(c.policy, ns, false)
	desired := c.policy.Desired(in)
	attached := c.snapshot.attachment()
	now := coverage.Pulls{Secrets: secrets, Accounts: c.accounts(ns.Name)}
	now.Adds = c.adds(desired, todo, func(r *policy.Rule) bool {
		return slices.Contains(attached.Pods, r.Name) || len(attached.Pods) == status.ShownRules
	})
	later := coverage.Pulls{Secrets: maps.Clone(secrets), Accounts: maps.Clone(now.Accounts)}
	later.Adds = c.adds(desired, todo, func(r *policy.Rule) bool { return attached.Of(r) == policy.ToPods })
	if later.Secrets == nil {
		later.Secrets = map[string]coverage.Secret{}
	}
	for _, a := range todo.Actions {
		c.carryOut(a, later)
	}
	return coverage.Namespace{Namespace: ns, Now: now, Later: later}
}

// accounts are nil where they may not be read.
func (c *coverer) accounts(namespace string) map[string]coverage.Account {
	list, known := c.snapshot.Accounts(namespace)
	if !known {
		return nil
	}
	out := map[string]coverage.Account{}
	for _, sa := range list {
		out[sa.Name] = coverage.Account{Labels: sa.Labels, Excluded: sa.Excluded, List: sa.PullSecrets}
	}
	return out
}

// adds are the names that the API server adds to pods by the rules for which it does so.
func (c *coverer) adds(desired policy.Desired, todo plan.Plan, by func(*policy.Rule) bool) func(string) []string {
	return func(account string) (names []string) {
		for _, n := range desired.PodNames(account) {
			if copied := todo.Find(plan.KindSecret, n.Name); by(n.Rule) && !copied.Blocked() && copied.Defect == "" {
				names = append(names, n.Name)
			}
		}
		return names
	}
}

// carryOut does to what pods have to pull with what an action will do.
func (c *coverer) carryOut(a plan.Action, to coverage.Pulls) {
	switch a.Verb {
	case plan.SetList:
		if account, ok := to.Accounts[a.Name]; ok {
			account.List = a.List.Names
			to.Accounts[a.Name] = account
		}
	case plan.Create, plan.Update, plan.Replace:
		if source := c.snapshot.Sources(c.policy)[a.Source]; source.Status == policy.SourceUsable {
			to.Secrets[a.Name] = coverage.Secret{Content: source.Source.Content, Source: a.Source}
		}
	case plan.Delete:
		delete(to.Secrets, a.Name)
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
