package inspect

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// The properties hold for every policy and every cluster, so they are tried on many random ones: small vocabularies
// make the collisions frequent that matter.

const randomWorlds = 1000

func TestThePlanDoesNotDependOnTheOrderOfWhatIsObserved(t *testing.T) {
	forRandomWorlds(t, func(t *testing.T, r *rand.Rand, w *world) {
		want := w.plans()
		for _, list := range w.accounts {
			r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		}
		r.Shuffle(len(w.names), func(i, j int) { w.names[i], w.names[j] = w.names[j], w.names[i] })
		if diff := cmp.Diff(want, w.plans()); diff != "" {
			t.Errorf("another order, another plan:\n%s", diff)
		}
	})
}

func TestAfterAPlanThereIsNothingLeftToDo(t *testing.T) {
	forRandomWorlds(t, func(t *testing.T, _ *rand.Rand, w *world) {
		for _, ns := range w.namespaces {
			first := w.plan(ns)
			w.execute(ns.Name, first)
			if again := w.plan(ns); again.HasChanges() {
				t.Errorf("first:\n%s\nthen:\n%s", first, again)
			}
		}
	})
}

func TestWhatIsHeldRemovesNothing(t *testing.T) {
	forRandomWorlds(t, func(t *testing.T, _ *rand.Rand, w *world) {
		for _, ns := range w.namespaces {
			w.hold = false
			free := map[string]plan.Verb{}
			for _, a := range w.plan(ns).Actions {
				free[string(a.Kind)+a.Name+a.Rule] = a.Verb
			}
			w.hold = true
			for _, a := range w.plan(ns).Actions {
				if a.Verb == plan.Delete || a.List != nil && len(a.List.Removed) > 0 {
					t.Errorf("held, and yet %s %s", a.Verb, a.Name)
				}
				if verb := free[string(a.Kind)+a.Name+a.Rule]; a.Kind == plan.KindSecret && verb != plan.Delete && verb != a.Verb {
					t.Errorf("holding what is removed changed %s of %s to %s", verb, a.Name, a.Verb)
				}
			}
		}
	})
}

func TestWhileRegistriesAreAskedNoCredentialIsWrittenAndNoNameTaken(t *testing.T) {
	forRandomWorlds(t, func(t *testing.T, _ *rand.Rand, w *world) {
		for _, ns := range w.namespaces {
			w.states = nil
			answered := w.plan(ns)
			for key, source := range w.Sources(w.policy) {
				if source.Status == policy.SourceUsable {
					source.Status = policy.SourceVerifying
					w.states[key] = source
				}
			}
			asked, _ := state.Decide(w.Snapshot, w.policy, ns.Name, w.circumstances())
			for _, a := range asked.Actions {
				if a.Verb == plan.Create || a.Verb == plan.Update && a.Reason != plan.MarksChanged || a.Verb == plan.Replace {
					t.Errorf("it waits, and yet %s %s", a.Verb, a.Name)
				}
				if a.Reason == plan.SourceVerifying && !a.Kept && w.owner(ns.Name, a.Name) == cluster.Ours {
					t.Errorf("%s is ours, and counts as not there", a.Name)
				}
				if then := answered.Find(a.Kind, a.Name); a.List != nil && slices.ContainsFunc(a.List.Removed, func(name string) bool {
					return then.List == nil || !slices.Contains(then.List.Removed, name)
				}) {
					t.Errorf("a name is taken while registries are asked: %v, and later %+v", a.List.Removed, then.List)
				}
			}
			if waits := slices.ContainsFunc(answered.Actions, func(a plan.Action) bool {
				return a.Copy != nil && a.Verb != plan.Release && a.Reason != plan.MarksChanged
			}); waits != asked.Waits() {
				t.Errorf("there is something to write: %t, it waits: %t", waits, asked.Waits())
			}
			w.execute(ns.Name, asked)
			w.states = nil
			w.execute(ns.Name, w.plan(ns))
			if again := w.plan(ns); again.HasChanges() {
				t.Errorf("when they have answered there is something left:\n%s", again)
			}
		}
	})
}

func TestNothingOfOthersIsLost(t *testing.T) {
	forRandomWorlds(t, func(t *testing.T, _ *rand.Rand, w *world) {
		for _, ns := range w.namespaces {
			p := w.plan(ns)
			for _, a := range p.Actions {
				w.checkAction(t, ns.Name, a)
			}
		}
	})
}

func (w *world) checkAction(t *testing.T, ns string, a plan.Action) {
	t.Helper()
	key := types.NamespacedName{Namespace: ns, Name: a.Name}
	live := w.secret(key)
	foreign := live != nil && w.owner(ns, a.Name) != cluster.Ours && !live.Ancestor
	if a.Kind == plan.KindSecret && a.Verb != plan.None {
		if slices.Contains(w.policy.Sources(), key) {
			t.Errorf("a source is written: %s %s", a.Verb, key)
		}
		if foreign && (a.Verb == plan.Delete || !w.forced(a.Rule)) {
			t.Errorf("a secret of somebody else is touched without force: %s %s", a.Verb, key)
		}
		if foreign && len(a.Diff) == 0 {
			t.Errorf("a secret of somebody else is taken over without a diff: %s", key)
		}
		if live != nil && a.UID != live.UID {
			t.Errorf("a write without the live object's uid: %s %s", a.Verb, key)
		}
	}
	if a.Verb == plan.Replace && live.Type == a.Copy.Type && !live.Immutable {
		t.Errorf("a copy is replaced that could be updated: %s", key)
	}
	if a.Verb == plan.Release || a.List != nil && a.List.Release {
		w.checkRelease(t, ns, a)
	}
	if a.Verb == plan.SetList {
		sa := w.account(ns, a.Name)
		ledger := w.installation.NotedOn(sa)
		theirs := slices.DeleteFunc(slices.Clone(sa.PullSecrets), func(n string) bool { return slices.Contains(ledger, n) })
		kept := slices.DeleteFunc(slices.Clone(a.List.Names), func(n string) bool {
			return slices.Contains(ledger, n) || slices.Contains(a.List.Added, n)
		})
		if diff := cmp.Diff(theirs, kept); len(theirs)+len(kept) > 0 && diff != "" {
			t.Errorf("entries of others changed in %s/%s:\n%s", ns, a.Name, diff)
		}
		for _, n := range a.List.Added {
			if slices.Contains(sa.PullSecrets, n) {
				t.Errorf("%s is added to %s/%s a second time", n, ns, a.Name)
			}
		}
	}
}

// checkRelease holds that a list is given up only if all that we added to it stays there without us.
func (w *world) checkRelease(t *testing.T, ns string, a plan.Action) {
	t.Helper()
	sa := w.account(ns, a.Name)
	list, ledger := sa.PullSecrets, w.installation.NotedOn(sa)
	if a.List != nil {
		list, ledger = a.List.Names, a.List.Ledger
	}
	for _, name := range list {
		if slices.Contains(ledger, name) && (w.promised == nil || !w.promised(sa, name)) {
			t.Errorf("the list of %s/%s is given up, with %s in it that nobody keeps there", ns, a.Name, name)
		}
	}
}

func (w *world) forced(rule string) bool {
	return slices.ContainsFunc(w.policy.Rules, func(r *policy.Rule) bool { return r.Name == rule && r.Force })
}

func (w *world) account(ns, name string) *cluster.ServiceAccount {
	i := slices.IndexFunc(w.accounts[ns], func(sa *cluster.ServiceAccount) bool { return sa.Name == name })
	return w.accounts[ns][i]
}

// execute does to the world what the API server does with the actions of a plan.
func (w *world) execute(ns string, p plan.Plan) {
	for _, a := range p.Actions {
		key := types.NamespacedName{Namespace: ns, Name: a.Name}
		switch a.Verb {
		case plan.SetList:
			sa := w.account(ns, a.Name)
			sa.PullSecrets = a.List.Names
			sa.Ledger, sa.Owners = w.installation.Ledger(ns, a.List.Ledger), nil
			if len(a.List.Ledger) == 0 && a.List.Release {
				sa.Ledger = "" // as it is written
			}
			sa.Applied, sa.OwnsList = !a.List.Release, !a.List.Release
		case plan.Release:
			sa := w.account(ns, a.Name)
			sa.Applied, sa.OwnsList = false, false
			if sa.Ledger == w.installation.Ledger(ns, nil) {
				sa.Ledger = "" // it goes along
			}
		case plan.Delete:
			delete(w.secrets, key)
		case plan.Create, plan.Update, plan.Replace:
			w.secrets[key] = &cluster.Source{Secret: &cluster.Secret{
				Meta: cluster.Meta{Namespace: ns, Name: a.Name, UID: "new"},
				Type: a.Copy.Type, Content: w.secrets[a.Source].Content, Marks: a.Copy.Marks, Applied: true, OwnsData: true,
			}, Credential: a.Copy.Credential}
		}
	}
}

func (w *world) secret(key types.NamespacedName) *cluster.Secret {
	if s := w.secrets[key]; s != nil {
		return s.Secret
	}
	return nil
}

func forRandomWorlds(t *testing.T, check func(*testing.T, *rand.Rand, *world)) {
	t.Helper()
	for seed := range uint64(randomWorlds) {
		r := rand.New(rand.NewPCG(seed, 0))
		policyText, clusterText := randomPolicy(r), randomCluster(r)
		w := newWorld(t, policyText, clusterText)
		w.promised = randomPromises(r)
		check(t, r, w)
		if t.Failed() {
			t.Fatalf("seed %d\n%s\n%s", seed, policyText, clusterText)
		}
	}
}

func pick(r *rand.Rand, options ...string) string { return options[r.IntN(len(options))] }

var randomNames = []string{"one", "two", "three"}

func randomPolicy(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n")
	rules := r.IntN(4)
	if rules == 0 {
		b.WriteString("  []\n")
	}
	for i := range rules {
		fmt.Fprintf(&b, "- name: r%d\n  secrets:\n", i)
		names := slices.Clone(randomNames)
		for range 1 + r.IntN(2) {
			j := r.IntN(len(names))
			fmt.Fprintf(&b, "  - {source: {name: %s}, name: %s}\n", pick(r, randomNames...), names[j])
			names = slices.Delete(names, j, j+1)
		}
		fmt.Fprintf(&b, "  namespaces: {include: [%s]}\n", pick(r, `"*"`, "a", "pullsecrets", `a, pullsecrets`))
		fmt.Fprintf(&b, "  serviceAccounts: {include: [%s]}\n", pick(r, "default", `"*"`, "", "ci"))
		fmt.Fprintf(&b, "  force: %s\n  prune: %s\n", pick(r, "true", "false"), pick(r, "true", "true", "false"))
	}
	return b.String()
}

// randomPromises are what the API server keeps by itself: nothing, a name, or all.
func randomPromises(r *rand.Rand) func(*cluster.ServiceAccount, string) bool {
	promised := pick(r, "", "one", "one two three")
	if promised == "" && r.IntN(2) == 0 {
		return nil
	}
	return func(_ *cluster.ServiceAccount, name string) bool {
		return slices.Contains(strings.Fields(promised), name)
	}
}

func randomCluster(r *rand.Rand) string {
	var docs []string
	add := func(format string, args ...any) { docs = append(docs, fmt.Sprintf(format, args...)) }
	add(`{kind: ConfigMap, metadata: {name: pullsecrets-status}, data: {names: "one two three"}}`)
	for _, ns := range []string{"a", "pullsecrets"} {
		add(`{kind: Namespace, metadata: {name: %s, annotations: {pullsecrets/exclude: "%s"}}}`, ns, pick(r, "", "", "true"))
		for _, sa := range []string{"default", "ci"} {
			var list []string
			for range r.IntN(4) {
				list = append(list, pick(r, "{name: one}", "{name: two}", "{name: three}", "{name: theirs}", "{}"))
			}
			add(`{kind: ServiceAccount, metadata: {name: %s, namespace: %s, annotations: {%s}, managedFields: [%s]}, imagePullSecrets: [%s]}`,
				sa, ns, pick(r, "", "", "pullsecrets/added: one", `pullsecrets/added: "one,two"`, `pullsecrets/added: " gone, three"`,
					`pullsecrets/added: "pullsecrets/a: one,two"`, `pullsecrets/added: "pullsecrets/pullsecrets: three"`, `pullsecrets/added: "other/a: one"`, `pullsecrets/added: "pullsecrets/a:"`, `pullsecrets/added: "other/a:"`),
				pick(r, "", `{manager: helm, operation: Apply, fieldsV1: {"f:imagePullSecrets": {}}}, `)+
					pick(r, "", "{manager: pullsecrets, operation: Apply, fieldsV1: {}}", `{manager: pullsecrets, operation: Apply, fieldsV1: {"f:imagePullSecrets": {}}}`),
				strings.Join(list, ", "))
		}
		for _, name := range randomNames {
			if r.IntN(3) == 0 {
				continue
			}
			add(`{kind: Secret, metadata: {name: %s, namespace: %s, uid: u-%s, %s}, type: %s, immutable: %s, stringData: {%s%s}}`,
				name, ns, name,
				pick(r, "labels: {}", "annotations: {pullsecrets/for: pullsecrets/a}", "annotations: {pullsecrets/for: other/a}",
					"annotations: {pullsecrets/for: pullsecrets/pullsecrets, pullsecrets/prune: 'false'}", "labels: {app.kubernetes.io/managed-by: pullsecrets}, annotations: {pullsecrets/source: pullsecrets/one, pullsecrets/rule: r0}",
					"labels: {app.kubernetes.io/managed-by: pullsecrets}, annotations: {pullsecrets/source: pullsecrets/one, pullsecrets/rule: r0, pullsecrets/prune: 'false'}",
					"annotations: {app.kubernetes.io/managed-by: imagepullsecret-patcher}",
					`managedFields: [{manager: pullsecrets, operation: Apply, fieldsV1: {"f:data": {"f:.dockerconfigjson": {}}}}]`),
				pick(r, "kubernetes.io/dockerconfigjson", "kubernetes.io/dockerconfigjson", "Opaque"),
				pick(r, "false", "false", "true"),
				pick(r, `.dockerconfigjson: '{"auths":{"x":{"auth":"dTox"}}}'`, `.dockerconfigjson: '{"auths":{"x":{"auth":"dToy"}}}'`,
					`.dockerconfigjson: '{"auths":{"x":{"username":"u","password":"1"}}}'`,
					`.dockerconfigjson: '{"auths":{}}'`, `.dockerconfigjson: 'junk'`),
				pick(r, "", "", ", extra: kept"))
		}
	}
	return strings.Join(docs, "\n---\n")
}

// owner says whose a secret is.
func (w *world) owner(ns, name string) cluster.Ownership {
	vouched := slices.ContainsFunc(w.accounts[ns], func(sa *cluster.ServiceAccount) bool { return cluster.ParseLedger(sa.Ledger).Vouches(name) })
	owner, _ := w.installation.Owns(w.secret(types.NamespacedName{Namespace: ns, Name: name}), vouched)
	return owner
}
