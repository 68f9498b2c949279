package e2e

import (
	"slices"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/admission"
	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// here is the installation whose decisions are compared.
var here = cluster.Installation{Home: api.Home}

// state is what else there is: sources, and secrets under copies' names, of ours and of others.
type state struct {
	g       *generator
	sources map[types.NamespacedName]policy.SourceState
	secrets map[string]map[string]*cluster.Secret // by namespace and name
	moving  map[string]bool                       // rules that attach to pods, and whose names accounts get too for a time
	told    *admission.Parameters
}

func (g *generator) newState(p *policy.Policy) *state {
	w := &state{g: g, sources: map[types.NamespacedName]policy.SourceState{}, secrets: map[string]map[string]*cluster.Secret{}, moving: map[string]bool{}}
	for _, rule := range p.Rules {
		w.moving[rule.Name] = rule.Attach == policy.AttachPods && g.IntN(3) == 0
	}
	for _, key := range p.Sources() {
		if key.Name == "missing" {
			w.sources[key] = policy.NewSourceState(nil, here)
			continue
		}
		w.sources[key] = policy.NewSourceState(g.projector.Source(api.Secret(key.Namespace, key.Name, api.Credential(key.Name+".example", "x"))), here)
	}
	for _, ns := range g.namespaces {
		w.secrets[ns.Name] = map[string]*cluster.Secret{}
		for _, name := range propertyNames {
			switch u := api.Secret(ns.Name, name, api.Credential("foreign.example", "x")); g.IntN(8) {
			case 0:
				w.secrets[ns.Name][name] = g.projector.Secret(u)
			case 1, 2:
				u.SetAnnotations(map[string]string{cluster.AnnotationFor: here.For(ns.Name)})
				w.secrets[ns.Name][name] = g.projector.Secret(u)
			case 3:
				u.SetAnnotations(map[string]string{cluster.AnnotationFor: "other/" + pick(g, ns.Name, "elsewhere")})
				w.secrets[ns.Name][name] = g.projector.Secret(u)
			}
		}
	}
	return w
}

func (w *state) decide(p *policy.Policy, ns *cluster.Namespace, list ...*cluster.ServiceAccount) plan.Plan {
	return w.plan(p, policy.Inputs{Namespace: ns, Accounts: list, Attached: func(rule *policy.Rule) policy.Attached {
		if w.moving[rule.Name] {
			return policy.ToAccounts
		}
		return policy.ToPods
	}})
}

func (w *state) plan(p *policy.Policy, in policy.Inputs) plan.Plan {
	ns := in.Namespace
	in.Sources = w.sources
	have := plan.Observed{Namespace: ns, Installation: here, AccountsKnown: true, Copies: map[string]plan.CopyState{}}
	for _, name := range p.CopyNames() {
		have.Copies[name] = plan.CopyState{Secret: w.secrets[ns.Name][name]}
	}
	return plan.Compute(p.Desired(in), have)
}

func (w *state) promises(p *policy.Policy) admission.Dependencies {
	out := admission.Dependencies{Namespace: api.Home, Blocked: map[string][]string{}, Retained: map[policy.Secret]admission.Retained{}}
	prunes := map[string]bool{}
	for _, rule := range p.Rules {
		prunes[rule.Name] = rule.Prune
	}
	out.Attach = func(rule *policy.Rule) []policy.Attach {
		if w.moving[rule.Name] {
			return []policy.Attach{policy.AttachPods, policy.AttachAccounts}
		}
		return []policy.Attach{rule.Attach}
	}
	out.Unavailable = func(s policy.Secret) bool { return w.sources[s.Source].Status != policy.SourceUsable }
	for _, ns := range w.g.namespaces {
		for _, a := range w.decide(p, ns).Actions {
			if a.Blocked() {
				out.Blocked[a.Name] = append(out.Blocked[a.Name], ns.Name)
			}
			if key := (policy.Secret{Source: a.Source, Name: a.Name}); a.Kept {
				at := out.Retained[key]
				if prunes[a.Rule] {
					at.Prune = append(at.Prune, ns.Name)
				} else {
					at.Stay = append(at.Stay, ns.Name)
				}
				out.Retained[key] = at
			}
		}
	}
	return out
}

// compare writes an account in a dry run, and again what came of it. It returns how many names were added.
func (w *state) compare(p *policy.Policy, ns *cluster.Namespace, u *unstructured.Unstructured) int {
	t, written := w.g.s.T, cluster.NewServiceAccount(u)
	if w.ofAnotherOnes(written) {
		return 0
	}
	want := &plan.List{Names: written.PullSecrets, Ledger: here.NotedOn(written)}
	for _, a := range w.decide(p, ns, written).Actions {
		if a.Kind == plan.KindServiceAccount && a.List != nil {
			want.Names, want.Added = append(slices.Clone(written.PullSecrets), a.List.Added...), a.List.Added
			for _, name := range a.List.Added {
				if slices.Contains(a.List.Ledger, name) && !slices.Contains(want.Ledger, name) {
					want.Ledger = append(want.Ledger, name)
				}
			}
		}
	}
	first := w.dryRun(u)
	got, second := cluster.NewServiceAccount(first), cluster.NewServiceAccount(w.dryRun(asWritten(first, u)))
	sorted := func(list []string) []string { return slices.Sorted(slices.Values(list)) }
	if diff := cmp.Diff(sorted(want.Names), sorted(got.PullSecrets)) + cmp.Diff(sorted(want.Ledger), sorted(here.NotedOn(got))); diff != "" {
		rules, _ := admission.Rules(p, w.promises(p))
		t.Errorf("namespace %s %v %v\naccount %v\nrules %v\n(-controller +API server) %s", ns.Name, ns.Labels, ns.Excluded, u.Object, rules, diff)
	}
	for _, name := range propertyNames {
		if added := slices.Contains(got.PullSecrets, name); !slices.Contains(written.PullSecrets, name) && added != w.told.Add(ns, written, name) {
			t.Errorf("namespace %s %v %v\naccount %v\nthe API server adds %s: %t, and the parameters say otherwise", ns.Name, ns.Labels, ns.Excluded, u.Object, name, added)
		}
	}
	theirs := slices.DeleteFunc(slices.Clone(got.PullSecrets), func(name string) bool { return slices.Contains(want.Added, name) })
	if !slices.Equal(theirs, written.PullSecrets) {
		t.Errorf("the entries of others moved: %v became %v", written.PullSecrets, got.PullSecrets)
	}
	if !slices.Equal(got.PullSecrets, second.PullSecrets) || got.Ledger != second.Ledger {
		t.Errorf("the second write differs: %v %q, then %v %q", got.PullSecrets, got.Ledger, second.PullSecrets, second.Ledger)
	}
	return len(want.Added)
}

// ofAnotherOnes reports whether an account has a ledger of an earlier version with a name whose copy is another
// installation's. The controller adds nothing there, and the API server does not see the copies.
func (w *state) ofAnotherOnes(sa *cluster.ServiceAccount) bool {
	ledger := cluster.ParseLedger(sa.Ledger)
	return ledger.Home == "" && slices.ContainsFunc(ledger.Names, func(name string) bool {
		owner, _ := here.Owns(w.secrets[sa.Namespace][name], true)
		return owner == cluster.OtherInstallation
	})
}

// asWritten is what came of a write, as somebody writes it once more.
func asWritten(result, written *unstructured.Unstructured) *unstructured.Unstructured {
	u := result.DeepCopy()
	u.SetUID(written.GetUID())
	u.SetCreationTimestamp(written.GetCreationTimestamp())
	u.SetResourceVersion("")
	u.SetManagedFields(nil)
	return u
}

func (w *state) dryRun(u *unstructured.Unstructured) (out *unstructured.Unstructured) {
	var err error
	client := w.g.s.Client.Resource(api.Accounts).Namespace(u.GetNamespace())
	if u.GetUID() == "" {
		out, err = client.Create(w.g.s.Ctx, u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	} else {
		out, err = client.Update(w.g.s.Ctx, u, metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}})
	}
	if err != nil {
		w.g.s.T.Fatal(err)
	}
	return out
}
