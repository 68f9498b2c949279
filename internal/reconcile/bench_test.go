package reconcile

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// BenchmarkDecide decides on a whole cluster with a large policy, which happens when the policy, or a source, changes.
// One operation is all of its namespaces. It is to take less than a second on one core.
func BenchmarkDecide(b *testing.B) {
	const rules, spaces = 500, 5000
	p := largePolicy(b, rules)
	for _, state := range []string{"nothing there", "converged"} {
		b.Run(fmt.Sprintf("rules=%d/namespaces=%d/%s", rules, spaces, state), func(b *testing.B) {
			ins, haves := largeCluster(p, rules, spaces, state == "converged")
			actions := 0
			b.ReportAllocs()
			for b.Loop() {
				actions = 0
				for i := range ins {
					for _, a := range plan.Decide(p, ins[i], haves[i]).Actions {
						if a.Verb != plan.None {
							actions++
						}
					}
				}
			}
			b.ReportMetric(float64(actions), "writes")
			if state == "converged" && actions > 0 {
				b.Fatalf("%d writes in a converged cluster", actions)
			}
		})
	}
}

// BenchmarkObserveAndDecide does the same from the caches, as it is done for each namespace.
func BenchmarkObserveAndDecide(b *testing.B) {
	const rules, spaces = 500, 5000
	p := largePolicy(b, rules)
	ins, haves := largeCluster(p, rules, spaces, true)
	c := cached(p, ins, haves)
	b.ReportAllocs()
	for b.Loop() {
		for _, in := range ins {
			todo, ok := state.Decide(c.cluster, p, in.Namespace.Name, c.circumstances(false))
			if !ok || todo.HasChanges() {
				b.Fatalf("%s is to be changed", in.Namespace.Name)
			}
		}
	}
}

// filled is a Controller whose caches the test fills, with a cluster at first.
type filled struct {
	*Controller
	caches state.Filling
}

func cached(p *policy.Policy, ins []policy.Inputs, haves []plan.Observed) *filled {
	return cachedBy(Config{Log: zerolog.Nop(), Workers: 1}, p, ins, haves)
}

func cachedBy(cfg Config, p *policy.Policy, ins []policy.Inputs, haves []plan.Observed) *filled {
	f := &filled{New(cfg), state.NewFilling(p.CopyNames(), func(key types.NamespacedName) policy.SourceState { return ins[0].Sources[key] })}
	f.cluster.Fill(f.caches)
	f.cluster.Ensure(nil, p.CopyNames())
	for i, in := range ins {
		f.caches.Namespaces.Add(in.Namespace)
		for _, sa := range in.Accounts {
			f.caches.Accounts.Add(sa)
		}
		for name, state := range haves[i].Copies {
			if state.Secret != nil {
				f.caches.Copies[name].Add(state.Secret)
			}
		}
	}
	return f
}

// workOnce works on the namespace that is next.
func (f *filled) workOnce(ctx context.Context) {
	namespace, _ := f.queue.Get()
	defer f.queue.Done(namespace)
	if _, err := f.reconcile(ctx, namespace, false); err != nil {
		f.queue.AddRateLimited(namespace)
	}
}

// largePolicy has a rule for each team: a secret of its own in its namespaces, which a glob and a label select.
func largePolicy(b testing.TB, rules int) *policy.Policy {
	var text strings.Builder
	text.WriteString("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n")
	for i := range rules {
		fmt.Fprintf(&text, "- name: team-%d\n  secrets: [{source: {name: src-%d}, name: reg-%d}]\n"+
			"  namespaces: {include: [\"team-%d-*\", \"shared-%d-*\"], exclude: [\"*-legacy\"], selector: {matchLabels: {tier: dev}}}\n"+
			"  serviceAccounts: {include: [default, \"ci-*\"]}\n", i, i, i, i, i)
	}
	p, problems := policy.Parse(map[string]string{"policy.yaml": text.String()}, policy.Options{Namespace: "pullsecrets"})
	if p == nil {
		b.Fatal(problems)
	}
	return p
}

func largeCluster(p *policy.Policy, rules, spaces int, converged bool) (ins []policy.Inputs, haves []plan.Observed) {
	projector := cluster.NewProjector([]byte("key"))
	sources := map[types.NamespacedName]policy.SourceState{}
	for _, key := range p.Sources() {
		value := fmt.Sprintf(`{"auths":{"%s.example":{"password":"%s"}}}`, key.Name, key.Name)
		content, _, _ := projector.Content(cluster.TypeDockerConfigJSON, []byte(value))
		sources[key] = policy.NewSourceState(&cluster.Source{
			Secret:     &cluster.Secret{Meta: cluster.Meta{Namespace: key.Namespace, Name: key.Name}, Type: cluster.TypeDockerConfigJSON, Content: content},
			Credential: cluster.NewCredential([]byte(value)),
		}, cluster.Installation{})
	}
	for i := range spaces {
		name := fmt.Sprintf("team-%d-%d", i%rules, i)
		ns := &cluster.Namespace{Meta: cluster.Meta{Name: name}, Labels: cluster.NewLabels(map[string]string{"tier": "dev", "kubernetes.io/metadata.name": name})}
		in := policy.Inputs{Namespace: ns, Sources: sources}
		for _, account := range []string{"default", "ci-build", "web"} {
			in.Accounts = append(in.Accounts, &cluster.ServiceAccount{Meta: cluster.Meta{Namespace: name, Name: account}})
		}
		have := plan.Observed{Namespace: ns, AccountsKnown: true, Looked: p.CopyNames(), Copies: map[string]plan.CopyState{}}
		if converged {
			converge(p, in, have)
		}
		ins, haves = append(ins, in), append(haves, have)
	}
	return ins, haves
}

// converge makes a namespace as the policy wants it.
func converge(p *policy.Policy, in policy.Inputs, have plan.Observed) {
	for _, a := range plan.Decide(p, in, have).Actions {
		switch {
		case a.List != nil:
			for _, sa := range in.Accounts {
				if sa.Name == a.Name {
					sa.PullSecrets, sa.Ledger, sa.HasLedger, sa.Applied = a.List.Names, have.Installation.Ledger(sa.Namespace, a.List.Ledger), true, true
				}
			}
		case a.Verb == plan.Create:
			have.Copies[a.Name] = plan.CopyState{Secret: &cluster.Secret{
				Meta: cluster.Meta{Namespace: in.Namespace.Name, Name: a.Name},
				Type: a.Copy.Type, Marks: a.Copy.Marks, Applied: true, Content: in.Sources[a.Source].Source.Content,
			}}
		}
	}
}
