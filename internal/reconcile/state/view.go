// Package state is the one view of the cluster that decisions are made on.
//
// A View is the live caches with what was written and they do not show yet (Cluster), or a list of objects (package
// inspect). Observe reads from either what a decision about a namespace may look at, so the controller, `plan`, `explain`,
// `purge` and the tests decide on the same.
package state

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// View is the cluster as it is now, as far as is known. What it returns must not be changed, but for the slice of accounts.
type View interface {
	Installation() cluster.Installation // that asks
	Namespaces() []*cluster.Namespace   // in no order
	Namespace(name string) *cluster.Namespace
	// Accounts returns the service accounts of a namespace, in no order; known is false when they may not be listed.
	Accounts(namespace string) (accounts []*cluster.ServiceAccount, known bool)
	// Copies returns what there is in a namespace under the copy names in use, and for which names that is known.
	Copies(namespace string, p *policy.Policy) (copies map[string]plan.CopyState, looked []string)
	// Sources returns the states of all sources of a policy.
	Sources(p *policy.Policy) map[types.NamespacedName]policy.SourceState
}

// Circumstances are what a decision depends on besides the view. The zero value is what is known from outside.
type Circumstances struct {
	HoldPrune bool
	// Guaranteed reports whether the API server itself keeps a name in the list of an account, by the admission parameters;
	// nil if it keeps none.
	Guaranteed func(ns *cluster.Namespace, account *cluster.ServiceAccount, name string) bool
	// Promised is the same of the parameters of a policy that is about to come in force; nil if there is none.
	Promised func(ns *cluster.Namespace, account *cluster.ServiceAccount, name string) bool
	// Attached says who gives the names of a rule that attaches to pods to them at present; nil: the API server does.
	Attached func(*policy.Rule) policy.Attached
	// Insisted reports whether another field manager wrote its own content again after each of our repairs of a copy; nil if
	// none did.
	Insisted func(namespace, name string) bool
}

// Observe reads all that a decision about a namespace may look at. It returns false when the namespace is gone.
func Observe(v View, p *policy.Policy, namespace string, now Circumstances) (in policy.Inputs, have plan.Observed, ok bool) {
	ns := v.Namespace(namespace)
	if ns == nil {
		return in, have, false
	}
	have = plan.Observed{Namespace: ns, Installation: v.Installation(), HoldPrune: now.HoldPrune}
	in = policy.Inputs{Namespace: ns, Sources: v.Sources(p), Attached: now.Attached}
	in.Accounts, have.AccountsKnown = v.Accounts(namespace)
	have.Copies, have.Looked = v.Copies(namespace, p)
	slices.SortFunc(in.Accounts, func(a, b *cluster.ServiceAccount) int { return strings.Compare(a.Name, b.Name) })
	if now.Guaranteed != nil {
		have.Guaranteed = func(account *cluster.ServiceAccount, name string) bool { return now.Guaranteed(ns, account, name) }
	}
	if now.Promised != nil {
		have.Promised = func(account *cluster.ServiceAccount, name string) bool { return now.Promised(ns, account, name) }
	}
	if now.Insisted != nil {
		for name, state := range have.Copies {
			if state.Secret != nil && now.Insisted(namespace, name) {
				state.Insisted = true
				have.Copies[name] = state
			}
		}
	}
	return in, have, true
}

// Decide decides one namespace. It returns false when that is gone.
func Decide(v View, p *policy.Policy, namespace string, now Circumstances) (plan.Plan, bool) {
	in, have, ok := Observe(v, p, namespace, now)
	if !ok {
		return plan.Plan{}, false
	}
	return plan.Decide(p, in, have), true
}

// DecideAll decides all namespaces one after another, in no order.
func DecideAll(v View, p *policy.Policy, now Circumstances, each func(plan.Plan)) {
	for _, ns := range v.Namespaces() {
		if todo, ok := Decide(v, p, ns.Name, now); ok {
			each(todo)
		}
	}
}

// NamesInLedgers returns the names in ledgers of ours, in any namespace, sorted. What is in a namespace that is going goes
// with it.
func NamesInLedgers(v View) []string {
	names := map[string]bool{}
	for _, ns := range v.Namespaces() {
		if ns.Terminating {
			continue
		}
		accounts, _ := v.Accounts(ns.Name)
		for _, sa := range accounts {
			if sa.Ledger == "" {
				continue
			}
			for _, name := range v.Installation().NotedOn(sa) {
				names[name] = true
			}
		}
	}
	return cluster.SecretNames(strings.Join(slices.Collect(maps.Keys(names)), " "))
}

// Vouched reports whether a ledger in the secret's namespace has its name, which makes it ours where nothing else tells; see
// cluster.Ledger.Vouches.
func Vouched(v View, secret *cluster.Secret) bool {
	accounts, _ := v.Accounts(secret.Namespace)
	return slices.ContainsFunc(accounts, func(sa *cluster.ServiceAccount) bool { return cluster.ParseLedger(sa.Ledger).Vouches(secret.Name) })
}

// keeper is another installation that a secret without marks may be of, see cluster.Installation.Keeper.
func keeper(v View, secret *cluster.Secret) string {
	accounts, _ := v.Accounts(secret.Namespace)
	var ledgers []cluster.Ledger
	for _, sa := range accounts {
		ledgers = append(ledgers, cluster.ParseLedger(sa.Ledger))
	}
	copies, _ := v.Copies(secret.Namespace, &policy.Policy{})
	return v.Installation().Keeper(secret.Namespace, secret.Name, ledgers, plan.SecretsOf(copies))
}
